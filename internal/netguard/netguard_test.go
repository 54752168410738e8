package netguard

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestPublic(t *testing.T) {
	for addr, want := range map[string]bool{
		"1.1.1.1": true, "104.16.0.1": true, "192.0.1.1": true, "2606:4700::1111": true, "::ffff:1.1.1.1": true,
		"127.0.0.1": false, "127.8.8.8": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false,
		"169.254.169.254": false, "100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "192.0.2.1": false,
		"224.0.0.1": false, "255.255.255.255": false, "198.18.0.1": false, "203.0.113.9": false,
		"::1": false, "::": false, "::7f00:1": false, "fe80::1": false, "fe80::1%eth0": false, "fec0::1": false,
		"fd00::1": false, "fd00:ec2::254": false, "64:ff9b::7f00:1": false, "64:ff9b:1::1": false, "2002:7f00:1::": false,
		"2001:0:7f00:1::": false, "2001:db8::1": false, "ff02::1": false, "2606:4700::1111%eth0": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "100::1": false,
	} {
		if got := Public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Public(%s) = %v", addr, got)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestPublicOnlyIsAskedBeforeTheConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d := net.Dialer{Timeout: 5 * time.Second, ControlContext: PublicOnly}
	for _, host := range []string{"127.0.0.1", "localhost"} { // by address, and by a name that leads to it
		c, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(host, port))
		if err == nil {
			c.Close()
			t.Errorf("connected to %s", host)
		} else if !errors.Is(err, ErrPrivate) {
			t.Errorf("%s: %v, want ErrPrivate", host, err)
		}
	}
	if err := PublicOnly(context.Background(), "tcp", "[::ffff:127.0.0.1]:80", nil); !errors.Is(err, ErrPrivate) {
		t.Errorf("an IPv4 address in IPv6 clothes: %v", err)
	}
	if err := PublicOnly(context.Background(), "unix", "/run/some.sock", nil); err == nil {
		t.Error("a socket file was let through")
	}
}
