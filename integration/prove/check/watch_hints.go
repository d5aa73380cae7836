//go:build linux

package check

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/integration/prove/ledger"
)

// Forgotten is something that reconcile had to do, in a snapshot of the database in which nothing told it so.
type Forgotten struct {
	Run  uuid.UUID     `json:"run"`
	Step int           `json:"step"` // its ordinal; 0: the run itself
	Why  string        `json:"why"`
	Seen time.Duration `json:"seen"` // as ledger.Now tells it
}

// forgottenSQL: what there is to do stands in the database together with its hint, written by the transaction that made it
// so, until both are gone by the transaction that did it. What is due by a clock needs no hint, and is not looked at.
const forgottenSQL = `
with open as materialized (
  select r.id, r.state::text as state, r.admitted, r.cancel_requested_at is not null as cancelling, r.failing_at is not null as failing, r.steps_open
  from weir.runs r
  where r.finished_at is null and not exists (select from weir.dirty d where d.run_id = r.id)
), todo as (
  select r.id, s.step, case
    when s.state >= 'succeeded' then 'it has ended, and that is not counted'
    when s.state = 'pending' and not r.cancelling and r.admitted and (s.needs_open = 0 or s.run_if = 'all_succeeded' and s.needs_failed > 0)
      and not (s.expects is not null and (r.state = 'paused' or r.failing and s.run_if = 'all_succeeded' or l.waiting_on is not null)) then 'its needs have decided about it'
    when s.state = 'available' and s.runs_on = 'replica' and s.river_job_id is null and r.state = 'running' and not r.cancelling
      and s.cancel_requested_at is null and l.waiting_on is null then 'it may start, and is not dispatched'
    when (s.cancel_requested_at is not null or r.cancelling or r.failing and s.run_if = 'all_succeeded')
      and s.state in ('pending', 'available', 'retrying', 'waiting') and s.waiting_for is distinct from 'run' then 'it is to be cancelled, and is not'
    when (s.cancel_requested_at is not null or r.cancelling or r.failing and s.run_if = 'all_succeeded')
      and s.state = 'running' and s.runs_on = 'replica' and o.attempt is null then 'it is to be cancelled, and its worker is not asked to stop it'
    when s.waiting_for = 'run' and c.finished_at is not null then 'its child run has ended'
    when s.waiting_for = 'children' and f.ended = f.total then 'its children have ended'
    when s.waiting_for = 'children' and f.expanded < f.total and s.cancel_requested_at is null and not r.cancelling then 'it has not all of its children'
  end as why
  from open r
  join weir.steps s on s.run_id = r.id and not s.settled
  left join weir.slots l on l.run_id = s.run_id and l.step = s.step
  left join weir.stops o on o.run_id = s.run_id and o.step = s.step and o.attempt = s.attempt
  left join weir.runs c on c.parent_run = s.run_id and c.parent_step = s.step
  left join weir.families f on f.run_id = s.run_id and f.step = s.step
  union all
  select r.id, 0, case
    when r.steps_open = 0 and (r.state = 'running' or r.cancelling) then 'all of its steps have ended'
    when not r.admitted and r.state = 'running' and not r.cancelling and l.run_id is null then 'it is held back, and waits for nothing'
  end
  from open r
  left join weir.slots l on l.run_id = r.id and l.step = 0
)
select id, step, why from todo where why is not null`

type todo struct {
	Run  uuid.UUID
	Step int
	Why  string
}

// forgotten looks for what nobody will do.
func (w *Watcher) forgotten(ctx context.Context) error {
	rows, err := w.conn.Query(ctx, forgottenSQL)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[todo])
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range found {
		if !w.told[f] {
			w.told[f] = true
			w.lost = append(w.lost, Forgotten{f.Run, f.Step, f.Why, ledger.Now()})
		}
	}
	return nil
}
