package cloudflaretest

// Edge runs Workers.
type Edge interface{}
