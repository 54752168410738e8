package release_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// zone is a DNS server on loopback, and the resolver that asks it.
type zone struct {
	mu    sync.Mutex
	txt   map[string][]string
	cname map[string]string
	a     map[string]string
}

func newZone(t *testing.T) (*zone, *net.Resolver) {
	z := &zone{txt: map[string][]string{}, cname: map[string]string{}, a: map[string]string{}}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := z.answer(buf[:n]); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return z, &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (z *zone) set(name, cname string, txt ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if cname != "" {
		z.cname[name] = cname
	}
	if len(txt) > 0 {
		z.txt[name] = txt
	}
}

func (z *zone) answer(query []byte) []byte {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	name := strings.TrimSuffix(strings.ToLower(q.Name.String()), ".")
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: head.ID, Response: true, RecursionAvailable: true}, Questions: []dnsmessage.Question{q}}
	add := func(owner dnsmessage.Name, body dnsmessage.ResourceBody) {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: owner, Class: dnsmessage.ClassINET, TTL: 1}, Body: body})
	}
	owner := q.Name
	if to, ok := z.cname[name]; ok && (q.Type == dnsmessage.TypeA || q.Type == dnsmessage.TypeAAAA || q.Type == dnsmessage.TypeCNAME) {
		owner = dnsmessage.MustNewName(to + ".")
		add(q.Name, &dnsmessage.CNAMEResource{CNAME: owner})
		name = to
	}
	if ip, ok := z.a[name]; ok && q.Type == dnsmessage.TypeA {
		add(owner, &dnsmessage.AResource{A: [4]byte(net.ParseIP(ip).To4())})
	}
	if q.Type == dnsmessage.TypeTXT {
		for _, text := range z.txt[name] {
			add(q.Name, &dnsmessage.TXTResource{TXT: []string{text}})
		}
	}
	if len(m.Answers) == 0 && len(z.txt[name]) == 0 && z.a[name] == "" {
		m.RCode = dnsmessage.RCodeNameError
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}
