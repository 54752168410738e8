package events

import (
	"context"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"overskill/internal/testing/redistest"
)

const patience = 10 * time.Second

// onBoth runs a test against both servers, and fails it if goroutines of ours are left afterwards.
func onBoth(t *testing.T, test func(t *testing.T, url string)) {
	for name, url := range redistest.Servers(t) {
		t.Run(name, func(t *testing.T) {
			test(t, url)
			checkLeaks(t)
		})
	}
}

// checkLeaks fails if a goroutine with our code on its stack stays, other than the caller.
func checkLeaks(t *testing.T) {
	t.Helper()
	var left []string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		left = nil
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")[1:] {
			if strings.Contains(g, "events.(*Bus)") || strings.Contains(g, "events.(*stopListener)") {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return
		}
	}
	t.Errorf("%d goroutines left:\n%s", len(left), strings.Join(left, "\n\n"))
}

func client(t *testing.T, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return redis.NewClient(options)
}

// newBus returns a bus, and a function that closes it with its client.
func newBus(t *testing.T, url string) (*Bus, func()) {
	t.Helper()
	c := client(t, url)
	b := New(c)
	return b, func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func waitWake(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatal("not woken")
	}
}

// noWake fails if c is woken within a moment.
func noWake(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
		t.Error("woken without a reason")
	case <-time.After(50 * time.Millisecond):
	}
}

func publish(t *testing.T, b *Bus, app int64) {
	t.Helper()
	if err := b.Publish(t.Context(), app); err != nil {
		t.Fatal(err)
	}
}

func TestWakeUpsReachTheAppsListenersInAllProcesses(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		one, closeOne := newBus(t, url)
		defer closeOne()
		two, closeTwo := newBus(t, url)
		defer closeTwo()
		a1, cancelA1 := one.Subscribe(t.Context(), 1)
		a2, cancelA2 := one.Subscribe(t.Context(), 1)
		b1, _ := two.Subscribe(t.Context(), 1)
		other, _ := two.Subscribe(t.Context(), 2)
		defer cancelA2()
		for _, c := range []<-chan struct{}{a1, a2, b1, other} {
			waitWake(t, c) // the connection stands
		}

		publish(t, one, 1)
		waitWake(t, a1)
		waitWake(t, a2)
		waitWake(t, b1)
		noWake(t, other)

		cancelA1()
		cancelA1() // harmless
		publish(t, two, 1)
		waitWake(t, a2)
		noWake(t, a1)
	})
}

func TestWakeUpsAreCoalesced(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		b, done := newBus(t, url)
		defer done()
		slow, _ := b.Subscribe(t.Context(), 1)
		quick, _ := b.Subscribe(t.Context(), 2)
		waitWake(t, slow)
		waitWake(t, quick)
		for range 500 {
			publish(t, b, 1)
		}
		publish(t, b, 2) // Redis keeps the order, so that all have come when this has
		waitWake(t, quick)
		waitWake(t, slow)
		noWake(t, slow)
	})
}

func TestSubscriptionEndsWithItsContext(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		b, done := newBus(t, url)
		defer done()
		ctx, cancel := context.WithCancel(t.Context())
		c, _ := b.Subscribe(ctx, 1)
		waitWake(t, c)
		cancel()
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			b.mu.Lock()
			n := len(b.wakes)
			b.mu.Unlock()
			if n == 0 {
				return
			}
			if time.Now().After(end) {
				t.Fatal("the listener is kept")
			}
		}
	})
}

func TestStops(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		worker, closeWorker := newBus(t, url)
		web, closeWeb := newBus(t, url)
		defer closeWeb()
		ctx, cancel := context.WithCancel(t.Context())
		stops, ended := worker.SubscribeStops(t.Context()), worker.SubscribeStops(ctx)
		var got []int64
		read := func(c <-chan int64) int64 {
			select {
			case id := <-c:
				return id
			case <-time.After(patience):
				t.Fatal("no stop")
				return 0
			}
		}
		if id := read(stops); id != AllStops {
			t.Fatalf("first %d, want AllStops", id)
		}
		for _, id := range []int64{7, 7, 9, 1 << 60} {
			if err := web.PublishStop(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		for len(got) == 0 || got[len(got)-1] != 1<<60 {
			got = append(got, read(stops))
		}
		// Nobody read meanwhile: the repeated id may come once or twice.
		if len(got) == 4 {
			got = got[1:]
		}
		if diff := cmp.Diff([]int64{7, 9, 1 << 60}, got); diff != "" {
			t.Error(diff)
		}
		cancel()
		for range ended { // closed, after what was waiting
		}
		closeWorker()
		for range stops {
		}
	})
}

func TestForeignMessagesAreIgnored(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		b, done := newBus(t, url)
		defer done()
		c, _ := b.Subscribe(t.Context(), 1)
		waitWake(t, c)
		for _, payload := range []string{"", "one", "1.0", "99999999999999999999"} {
			if err := b.rdb.Publish(t.Context(), wakeChannel, payload).Err(); err != nil {
				t.Fatal(err)
			}
		}
		noWake(t, c)
		publish(t, b, 1)
		waitWake(t, c)
	})
}

func TestCloseWithoutAndDuringConnection(t *testing.T) {
	never := New(redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}))
	if err := never.Close(); err != nil {
		t.Error(err)
	}
	refused := New(redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}))
	c, _ := refused.Subscribe(t.Context(), 1)
	waitWake(t, c) // no Redis: waking turns into polling
	waitWake(t, c)
	if err := refused.Publish(t.Context(), 1); err == nil {
		t.Error("publishing to nowhere succeeds")
	}
	if err := refused.Close(); err != nil {
		t.Error(err)
	}
	checkLeaks(t)
}

// TestReconnect stops the server and starts it again on its port.
func TestReconnect(t *testing.T) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		redistest.Servers(t) // fails where it has to be there
		return
	}
	server := redistest.Start(t, path, 0)
	b, done := newBus(t, server.URL())
	c, _ := b.Subscribe(t.Context(), 1)
	stops := b.SubscribeStops(t.Context())
	waitWake(t, c)
	<-stops
	server.Stop()
	server = redistest.Start(t, path, server.Port)
	waitWake(t, c) // something may have been missed
	if id := <-stops; id != AllStops {
		t.Errorf("stop %d after the connection was lost, want AllStops", id)
	}
	// It listens again: publishing wakes when nothing else does.
	for end := time.Now().Add(patience); subscribers(t, server.URL()) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("does not subscribe again")
		}
	}
	drain(c)
	publish(t, b, 1)
	waitWake(t, c)
	done()
	checkLeaks(t)
}

func subscribers(t *testing.T, url string) int64 {
	t.Helper()
	rdb := client(t, url)
	defer rdb.Close()
	n, err := rdb.PubSubNumSub(t.Context(), wakeChannel).Result()
	if err != nil {
		t.Fatal(err)
	}
	return n[wakeChannel]
}

// drain waits until c has not been woken for a moment.
func drain(c <-chan struct{}) {
	for {
		select {
		case <-c:
		case <-time.After(200 * time.Millisecond):
			return
		}
	}
}

// TestSilentConnectionIsGivenUp puts a proxy in between that goes quiet without closing anything,
// as a firewall does that forgets a connection.
func TestSilentConnectionIsGivenUp(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		options, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		p := newProxy(t, options.Addr)
		b, done := newBus(t, "redis://"+p.addr())
		defer done()
		b.silence = 100 * time.Millisecond
		c, _ := b.Subscribe(t.Context(), 1)
		waitWake(t, c)
		time.Sleep(5 * b.silence) // pings are answered: the connection stays
		noWake(t, c)
		if n := p.accepted(); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
		p.freeze()
		waitWake(t, c) // given up
		for end := time.Now().Add(patience); p.accepted() < 2; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("does not connect again")
			}
		}
		waitWake(t, c)
	})
}

// proxy passes bytes to a server; freeze makes the connections of that moment drop all bytes.
type proxy struct {
	l      net.Listener
	mu     sync.Mutex
	count  int
	frozen int // connections up to this number are
	conns  []net.Conn
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l}
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.conns {
			c.Close()
		}
	})
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			p.count++
			n := p.count
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			go p.pass(n, out, in)
			go p.pass(n, in, out)
		}
	}()
	return p
}

func (p *proxy) pass(n int, to, from net.Conn) {
	buf := make([]byte, 4096)
	for {
		k, err := from.Read(buf)
		if err != nil {
			to.Close()
			return
		}
		p.mu.Lock()
		drop := n <= p.frozen
		p.mu.Unlock()
		if !drop {
			if _, err := to.Write(buf[:k]); err != nil {
				return
			}
		}
	}
}

func (p *proxy) addr() string { return p.l.Addr().String() }

func (p *proxy) accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = p.count
}

func BenchmarkPublishToWake(b *testing.B) {
	for name, url := range redistest.Servers(b) {
		b.Run(name, func(b *testing.B) {
			options, err := redis.ParseURL(url)
			if err != nil {
				b.Fatal(err)
			}
			rdb := redis.NewClient(options)
			defer rdb.Close()
			bus := New(rdb)
			defer bus.Close()
			c, cancel := bus.Subscribe(b.Context(), 1)
			defer cancel()
			<-c
			for b.Loop() {
				if err := bus.Publish(b.Context(), 1); err != nil {
					b.Fatal(err)
				}
				<-c
			}
		})
	}
}
