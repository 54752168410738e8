// Package events wakes up whoever waits for something new in Postgres.
//
// All truth is in Postgres: every event of an app is a row with a growing id, every stop that a
// person asked for is a column. Redis only says "look again", so that a browser's live stream
// need not ask the database every second. That makes the rules simple:
//
//   - A message carries no content, only an id. Losing one delays, it never loses.
//   - A listener must read the store once after it subscribed, and then after each wake-up, from
//     the last id it saw.
//   - Wake-ups are coalesced: a listener that is busy finds one waiting, however many came.
//   - Whenever a message may have been missed (the connection to Redis was made, or made again),
//     everybody is woken. While Redis does not answer, everybody is woken every few seconds, so
//     that live streams become slower instead of silent.
//
// A process holds one Redis connection for all its listeners. The same code runs on a Redis server
// and on the in-process one of package embedded.
//
// Redis's channels do not belong to a database number: installations that share one Redis server
// hear each other. For wake-ups that is harmless; who receives a stop must ask its own store
// whether that version was really asked to stop.
package events

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Channels of Redis. The payload of both is a decimal id.
const (
	wakeChannel = "overskill:wake" // an app's id
	stopChannel = "overskill:stop" // a version's id
)

// AllStops is what a stop listener receives in place of a version's id when signals may have been
// missed: it should ask the store about every version that it runs.
const AllStops int64 = 0

const (
	publishTimeout = 3 * time.Second
	silence        = 20 * time.Second // without a message, the connection is tested; twice that, it is given up
	minRetry       = 100 * time.Millisecond
	maxRetry       = 3 * time.Second
)

// Bus publishes and receives wake-ups. Its methods may be called from any goroutine.
type Bus struct {
	rdb    redis.UniversalClient
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	start  sync.Once
	wait   sync.WaitGroup

	silence time.Duration

	mu    sync.Mutex
	wakes map[int64]map[*wakeListener]struct{} // by app
	stops map[*stopListener]struct{}
}

type wakeListener struct{ c chan struct{} }

// New returns a bus on rdb, which stays the caller's to close, after the bus. The bus connects
// when somebody first subscribes.
func New(rdb redis.UniversalClient) *Bus {
	b := &Bus{
		rdb:     rdb,
		silence: silence,
		wakes:   map[int64]map[*wakeListener]struct{}{},
		stops:   map[*stopListener]struct{}{},
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Publish says that there are new rows for an app. It takes 3 seconds at most. A caller that has
// committed the rows may ignore the error: listeners find them at the next wake-up.
func (b *Bus) Publish(ctx context.Context, appID int64) error {
	return b.publish(ctx, wakeChannel, appID)
}

// PublishStop says that a version was asked to stop, which the caller has written to the store.
func (b *Bus) PublishStop(ctx context.Context, versionID int64) error {
	return b.publish(ctx, stopChannel, versionID)
}

func (b *Bus) publish(ctx context.Context, channel string, id int64) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if err := b.rdb.Publish(ctx, channel, strconv.FormatInt(id, 10)).Err(); err != nil {
		return fmt.Errorf("publish %d to %s: %w", id, channel, err)
	}
	return nil
}

// Subscribe returns a channel that holds a value when an app may have new rows. One wake-up comes
// as soon as the connection to Redis stands, so that nothing falls between reading the store and
// listening. The channel is never closed; the subscription ends with ctx or cancel, whichever
// comes first.
func (b *Bus) Subscribe(ctx context.Context, appID int64) (woken <-chan struct{}, cancel func()) {
	l := &wakeListener{c: make(chan struct{}, 1)}
	b.mu.Lock()
	if b.wakes[appID] == nil {
		b.wakes[appID] = map[*wakeListener]struct{}{}
	}
	b.wakes[appID][l] = struct{}{}
	b.mu.Unlock()
	b.connect()

	remove := func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.wakes[appID], l)
		if len(b.wakes[appID]) == 0 {
			delete(b.wakes, appID)
		}
	}
	detach := context.AfterFunc(ctx, remove)
	return l.c, func() { detach(); remove() }
}

// SubscribeStops returns the ids of versions that were asked to stop, and AllStops whenever some
// may have been missed. It is never too slow a reader's loss: ids wait for it. The channel is
// closed when ctx ends or the bus is closed.
func (b *Bus) SubscribeStops(ctx context.Context) <-chan int64 {
	l := &stopListener{ready: make(chan struct{}, 1)}
	out := make(chan int64)
	b.mu.Lock()
	b.stops[l] = struct{}{}
	b.mu.Unlock()
	b.connect()
	b.wait.Go(func() {
		defer close(out)
		defer func() {
			b.mu.Lock()
			delete(b.stops, l)
			b.mu.Unlock()
		}()
		l.deliver(ctx, b.ctx, out)
	})
	return out
}

// Close ends all subscriptions and waits until the bus holds no connection and no goroutine.
func (b *Bus) Close() error {
	b.start.Do(func() {}) // from here on nobody starts
	b.cancel()
	b.wait.Wait()
	return nil
}

// connect starts the one goroutine that listens to Redis.
func (b *Bus) connect() {
	b.start.Do(func() { b.wait.Go(b.run) })
}

// run listens to Redis until Close, connecting again and again.
func (b *Bus) run() {
	retry := minRetry
	for b.ctx.Err() == nil {
		stood, err := b.listen()
		if b.ctx.Err() != nil || errors.Is(err, redis.ErrClosed) {
			return
		}
		if stood {
			retry = minRetry
		}
		// Half the time fixed and half at random, so that many processes do not return at once.
		pause := time.NewTimer(retry/2 + rand.N(retry/2+1))
		select {
		case <-b.ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		retry = min(2*retry, maxRetry)
		b.wakeAll() // whoever listens asks the store meanwhile
	}
}

// listen holds one subscription and hands on what it receives, until the connection breaks or is
// silent in spite of a ping. stood reports whether the subscription was ever confirmed.
func (b *Bus) listen() (stood bool, err error) {
	sub := b.rdb.Subscribe(b.ctx, wakeChannel, stopChannel)
	// Reading from Redis does not heed a context; closing ends it.
	closed := context.AfterFunc(b.ctx, func() { sub.Close() })
	defer func() {
		if closed() {
			sub.Close()
		}
	}()
	pinged, confirmed := false, 0
	for {
		message, err := sub.ReceiveTimeout(b.ctx, b.silence)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() && !pinged && confirmed == 2 {
			if err := sub.Ping(b.ctx); err != nil {
				return stood, err
			}
			pinged = true
			continue
		}
		if err != nil {
			return stood, err
		}
		pinged = false
		switch m := message.(type) {
		case *redis.Subscription:
			// One for each channel. go-redis may also have connected again on its own.
			confirmed = min(confirmed+1, 2)
			if confirmed == 2 {
				stood = true
				b.wakeAll()
			}
		case *redis.Message:
			b.receive(m.Channel, m.Payload)
		}
	}
}

// receive hands on one message. What is not an id is nobody's.
func (b *Bus) receive(channel, payload string) {
	id, err := strconv.ParseInt(payload, 10, 64)
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch channel {
	case wakeChannel:
		for l := range b.wakes[id] {
			signal(l.c)
		}
	case stopChannel:
		for l := range b.stops {
			l.add(id)
		}
	}
}

func (b *Bus) wakeAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, listeners := range b.wakes {
		for l := range listeners {
			signal(l.c)
		}
	}
	for l := range b.stops {
		l.add(AllStops)
	}
}

// signal leaves a value in c, which holds one, unless there is one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
