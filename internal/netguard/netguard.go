// Package netguard keeps connections that strangers cause on the public internet.
//
// A web page under check, or a base URL that a team gave, may name any host, and a name may resolve to something
// else the second time it is asked. So the rule is applied to the address that is really dialled, after DNS and for
// every redirect: give PublicOnly to a net.Dialer as its ControlContext. A connection through an HTTP proxy is
// dialled by the proxy, where no rule of ours holds; do not combine the two.
package netguard

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

// ErrPrivate is wrapped by the error of a dial that PublicOnly refused.
var ErrPrivate = errors.New("the address is not on the public internet")

// PublicOnly refuses an address outside the public internet just before it is connected to.
func PublicOnly(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !Public(ap.Addr()) {
		return fmt.Errorf("dial %s: %w", address, ErrPrivate)
	}
	return nil
}

// Public reports whether an address is one of the public internet: not of this machine, its networks, a group, or
// a range that leads back inside by translation. An IPv4 address in IPv6 notation is judged as what it is.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	if a.Is6() && !assigned.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(a) })
}

// assigned is the part of IPv6 that is global unicast at all (RFC 4291 section 2.4, IANA). It holds neither
// addresses with a zone nor the NAT64 prefixes 64:ff9b::/96 and 64:ff9b:1::/48.
var assigned = netip.MustParsePrefix("2000::/3")

// reserved are global-looking ranges that lead inside or nowhere (IANA special-purpose address registries).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier NAT
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // for later, and broadcast
	netip.MustParsePrefix("2001::/32"),       // Teredo: holds an IPv4 address
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4: holds an IPv4 address
	netip.MustParsePrefix("3fff::/20"),       // documentation
}
