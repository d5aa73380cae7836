package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
)

// rawPage is a page whose items are not read yet.
type rawPage struct {
	Items []json.RawMessage `json:"items"`
	Next  *string           `json:"next"`
}

// pages goes through a list, page by page, until its end or the first error.
func pages[T any](ctx context.Context, first *string, fetch func(ctx context.Context, cursor *string) (Answer[rawPage], error)) iter.Seq2[Answer[T], error] {
	return func(yield func(Answer[T], error) bool) {
		for cursor := first; ; {
			page, err := fetch(ctx, cursor)
			if err != nil {
				yield(Answer[T]{}, err)
				return
			}
			for _, text := range page.Value.Items {
				item := Answer[T]{JSON: text}
				if err := json.Unmarshal(text, &item.Value); err != nil {
					yield(Answer[T]{}, fmt.Errorf("understand an item of the list: %w", err))
					return
				}
				if !yield(item, nil) {
					return
				}
			}
			if page.Value.Next == nil {
				return
			}
			cursor = page.Value.Next
		}
	}
}
