package api

import (
	"context"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// Lifecycle is what the API needs from below. *lifecycle.Engine is one.
type Lifecycle interface {
	Submit(ctx context.Context, submission lifecycle.Submission) (lifecycle.Submitted, error)
	SubmitMany(ctx context.Context, all []lifecycle.Submission) ([]lifecycle.Submitted, error)
	RunCancel(ctx context.Context, run uuid.UUID, request lifecycle.CancelRequest) error
	StepCancel(ctx context.Context, run uuid.UUID, key string, request lifecycle.CancelRequest) error
	RunPause(ctx context.Context, run uuid.UUID, actor string) error
	RunResume(ctx context.Context, run uuid.UUID, actor string) error
	RunRerun(ctx context.Context, run uuid.UUID, request lifecycle.RerunRequest) (lifecycle.Submitted, error)
	StepDecision(ctx context.Context, run uuid.UUID, key string, request lifecycle.DecisionRequest) error
	StepSignal(ctx context.Context, run uuid.UUID, key string, request lifecycle.SignalRequest) error

	RunGet(ctx context.Context, run uuid.UUID) (*lifecycle.RunView, error)
	RunList(ctx context.Context, filter lifecycle.RunFilter, page lifecycle.PageRequest) (lifecycle.Page[lifecycle.RunView], error)
	RunPlan(ctx context.Context, run uuid.UUID) (*plan.Plan, error)
	StepGet(ctx context.Context, run uuid.UUID, key string) (*lifecycle.StepView, error)
	StepList(ctx context.Context, run uuid.UUID, page lifecycle.PageRequest) (lifecycle.Page[lifecycle.StepView], error)
	StepWhy(ctx context.Context, run uuid.UUID, key string) (*lifecycle.Why, error)
	TransitionList(ctx context.Context, run uuid.UUID, page lifecycle.PageRequest) (lifecycle.Page[lifecycle.TransitionView], error)
	RunFollow(ctx context.Context, run uuid.UUID, cursor string) (*lifecycle.Follow, error)
	LogList(ctx context.Context, run uuid.UUID, filter lifecycle.LogFilter, page lifecycle.PageRequest) (lifecycle.Page[lifecycle.LogView], error)

	Refresh(ctx context.Context) (lifecycle.Refreshing, error)
	StateReplicas(ctx context.Context) (*lifecycle.ReplicasView, error)
	StateWorkers(ctx context.Context) ([]lifecycle.WorkerView, error)
	StateCounts(ctx context.Context) (*lifecycle.CountsView, error)
	StateTracked(ctx context.Context) (*lifecycle.ItemsView, error)
	StateRunning(ctx context.Context) (*lifecycle.ItemsView, error)
	StateRetrying(ctx context.Context) (*lifecycle.ItemsView, error)
	StateWaiting(ctx context.Context) (*lifecycle.ItemsView, error)
	StateReconcile(ctx context.Context) (*lifecycle.ReconcileView, error)

	LateReportList(ctx context.Context, run *uuid.UUID, page lifecycle.PageRequest) (lifecycle.Page[lifecycle.LateReportView], error)
	ViolationList(ctx context.Context, most int) ([]lifecycle.ViolationView, error)

	BulkCount(ctx context.Context, request lifecycle.BulkRequest) (int, error)
	BulkStart(ctx context.Context, request lifecycle.BulkRequest) (view *lifecycle.BulkView, replayed bool, err error)
	BulkCancel(ctx context.Context, id uuid.UUID) (*lifecycle.BulkView, error)
	BulkGet(ctx context.Context, id uuid.UUID) (*lifecycle.BulkView, error)
	BulkList(ctx context.Context, page lifecycle.PageRequest) (lifecycle.Page[lifecycle.BulkView], error)

	LimitSet(ctx context.Context, key string, limit int, actor string) (*lifecycle.LimitView, error)
	LimitUnset(ctx context.Context, key string) (*lifecycle.LimitView, error)
	LimitGet(ctx context.Context, key string) (*lifecycle.LimitView, error)
	LimitList(ctx context.Context, page lifecycle.PageRequest) (lifecycle.Page[lifecycle.LimitView], error)

	QueueList(ctx context.Context) ([]lifecycle.QueueView, error)
	QueuePause(ctx context.Context, name string) (*lifecycle.QueueView, error)
	QueueResume(ctx context.Context, name string) (*lifecycle.QueueView, error)

	PlanPut(ctx context.Context, request lifecycle.PlanPutRequest) (put *lifecycle.NamedPlan, made bool, err error)
	PlanGet(ctx context.Context, name string, version int) (*lifecycle.NamedPlan, error)
	PlanList(ctx context.Context, page lifecycle.PageRequest) (lifecycle.Page[lifecycle.NamedPlan], error)
	PlanVersions(ctx context.Context, name string, page lifecycle.PageRequest) (lifecycle.Page[lifecycle.NamedPlan], error)
	PlanDiff(ctx context.Context, name string, from, to int) (*lifecycle.PlanDifference, error)
	PlanNamed(ctx context.Context, named plan.Named, limits plan.Limits) (*lifecycle.Runnable, error)

	SchedulePut(ctx context.Context, request lifecycle.SchedulePutRequest) (put *lifecycle.ScheduleView, made bool, err error)
	ScheduleGet(ctx context.Context, name string) (*lifecycle.ScheduleView, error)
	ScheduleList(ctx context.Context, page lifecycle.PageRequest) (lifecycle.Page[lifecycle.ScheduleView], error)
	ScheduleDelete(ctx context.Context, name string) (*lifecycle.ScheduleView, error)
	SchedulePause(ctx context.Context, name, actor string) (*lifecycle.ScheduleView, error)
	ScheduleResume(ctx context.Context, name, actor string) (*lifecycle.ScheduleView, error)
	ScheduleTrigger(ctx context.Context, name string, request lifecycle.Submission) (lifecycle.Submitted, error)
	ScheduleSlots(ctx context.Context, name string, n int) ([]lifecycle.Slot, error)
}
