package events

import (
	"context"
	"slices"
	"sync"
)

// stopListener is a queue of version ids without a bound but without repetition, so that it
// cannot grow beyond the number of versions.
type stopListener struct {
	ready chan struct{} // holds a value when ids may be waiting
	mu    sync.Mutex
	ids   []int64
}

func (l *stopListener) add(id int64) {
	l.mu.Lock()
	if !slices.Contains(l.ids, id) {
		l.ids = append(l.ids, id)
	}
	l.mu.Unlock()
	signal(l.ready)
}

func (l *stopListener) take() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := l.ids
	l.ids = nil
	return ids
}

// deliver sends the ids to out until either context ends.
func (l *stopListener) deliver(ctx, bus context.Context, out chan<- int64) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-bus.Done():
			return
		case <-l.ready:
		}
		for _, id := range l.take() {
			select {
			case out <- id:
			case <-ctx.Done():
				return
			case <-bus.Done():
				return
			}
		}
	}
}
