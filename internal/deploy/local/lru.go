package local

import (
	"container/list"
	"sync"
)

// lru keeps the values that were asked for last, up to a sum of their costs in bytes.
type lru[V any] struct {
	mu    sync.Mutex
	max   int64
	used  int64
	order *list.List // of *item[V], the most recent first
	items map[string]*list.Element
}

type item[V any] struct {
	key   string
	value V
	cost  int64
}

func newLRU[V any](max int64) *lru[V] {
	return &lru[V]{max: max, order: list.New(), items: map[string]*list.Element{}}
}

func (c *lru[V]) get(key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[key]
	if !ok {
		var zero V
		return zero, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*item[V]).value, true
}

// add keeps a value, unless it alone is over the limit.
func (c *lru[V]) add(key string, value V, cost int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(key)
	if cost > c.max {
		return
	}
	c.items[key] = c.order.PushFront(&item[V]{key, value, cost})
	c.used += cost
	for c.used > c.max {
		c.drop(c.order.Back().Value.(*item[V]).key)
	}
}

func (c *lru[V]) remove(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(key)
}

func (c *lru[V]) drop(key string) {
	if e, ok := c.items[key]; ok {
		c.used -= e.Value.(*item[V]).cost
		c.order.Remove(e)
		delete(c.items, key)
	}
}
