// Package builder is what people do with apps: describe one, ask for a change, watch it being made, look at
// its files and versions, go back, take it away.
//
// service.go holds those uses; runner.go does the work that they cause, by taking a version through the
// pipeline; recorder.go writes down what happens there; author.go, bundler.go and target.go join the
// pipeline's interfaces with the rooms below (agent, toolchain, deploy, appdata).
package builder

import (
	"context"
)

// JobKind is the kind of the one job that builds a version.
const JobKind = "version:process"

// Queue wakes up whoever runs jobs. It may lose a wake-up: the job's row in Postgres is the truth, and
// rows that nobody runs are enqueued again.
type Queue interface {
	Enqueue(ctx context.Context, kind string, jobID int64, attempts int) error
}

// Bus says that an app has new events, to every process. It too may lose a message: listeners look by
// themselves every few seconds.
type Bus interface {
	Publish(ctx context.Context, appID int64) error
	Subscribe(ctx context.Context, appID int64) (wake <-chan struct{}, cancel func())
	PublishStop(ctx context.Context, versionID int64) error
}
