package cloudflaretest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// buckets is R2: one store behind two APIs.
type buckets struct {
	account *Account
	store   *s3mem.Backend
	s3      http.Handler
}

func newBuckets(a *Account) *buckets {
	b := &buckets{account: a, store: s3mem.New()}
	b.s3 = gofakes3.New(b.store, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	return b
}

func (b *buckets) exists(name string) bool {
	ok, err := b.store.BucketExists(name)
	return err == nil && ok
}

// AddBucket makes a bucket.
func (a *Account) AddBucket(name string) {
	a.t.Helper()
	if err := a.bucket.store.CreateBucket(name); err != nil {
		a.t.Fatalf("bucket %s: %v", name, err)
	}
}

// Objects returns the content of a bucket by key.
func (a *Account) Objects(bucket string) map[string][]byte {
	a.t.Helper()
	out := map[string][]byte{}
	if !a.bucket.exists(bucket) {
		return out
	}
	list, err := a.bucket.store.ListBucket(bucket, &gofakes3.Prefix{}, gofakes3.ListBucketPage{})
	if err != nil {
		a.t.Fatalf("list %s: %v", bucket, err)
	}
	for _, o := range list.Contents {
		out[o.Key], _ = a.bucket.read(bucket, o.Key)
	}
	return out
}

// Put stores an object.
func (a *Account) Put(bucket, key string, content []byte) {
	a.t.Helper()
	if err := a.bucket.write(bucket, key, "application/octet-stream", content); err != nil {
		a.t.Fatalf("put %s: %v", key, err)
	}
}

func (b *buckets) read(bucket, key string) ([]byte, map[string]string) {
	o, err := b.store.GetObject(bucket, key, nil)
	if err != nil {
		return nil, nil
	}
	defer o.Contents.Close()
	content, err := io.ReadAll(o.Contents)
	if err != nil {
		return nil, nil
	}
	return content, o.Metadata
}

func (b *buckets) write(bucket, key, contentType string, content []byte) error {
	_, err := b.store.PutObject(bucket, key, map[string]string{"Content-Type": contentType}, bytes.NewReader(content), int64(len(content)), nil)
	return err
}

func (a *Account) listBuckets(r *http.Request) (reply, error) {
	all, err := a.bucket.store.ListBuckets()
	if err != nil {
		return reply{}, err
	}
	out := []any{}
	for _, b := range all[:min(len(all), number(r, "per_page", 20))] {
		out = append(out, map[string]any{"name": b.Name, "creation_date": b.CreationDate.UTC()})
	}
	return reply{Result: map[string]any{"buckets": out}}, nil
}

func (a *Account) newBucket(r *http.Request) (reply, error) {
	var in struct {
		Name         string `json:"name"`
		LocationHint string `json:"locationHint"`
		StorageClass string `json:"storageClass"`
	}
	if err := body(r, &in, "application/json"); err != nil {
		return reply{}, err
	}
	if gofakes3.ValidateBucketName(in.Name) != nil {
		return reply{}, refuse(http.StatusBadRequest, 10005, "The specified bucket name is not valid.")
	}
	if a.bucket.exists(in.Name) {
		return reply{}, refuse(http.StatusConflict, 10004, "The bucket you tried to create already exists, and you own it.")
	}
	if err := a.bucket.store.CreateBucket(in.Name); err != nil {
		return reply{}, err
	}
	return reply{Result: map[string]any{"name": in.Name, "creation_date": a.now()}}, nil
}

// found refuses a request for a bucket that is not there.
func (a *Account) found(r *http.Request) (bucket string, err error) {
	bucket = r.PathValue("bucket")
	if !a.bucket.exists(bucket) {
		return "", refuse(http.StatusNotFound, 10006, "The specified bucket does not exist.")
	}
	return bucket, nil
}

func (a *Account) getBucket(r *http.Request) (reply, error) {
	bucket, err := a.found(r)
	return reply{Result: map[string]any{"name": bucket}}, err
}

func (a *Account) listObjects(r *http.Request) (reply, error) {
	bucket, err := a.found(r)
	if err != nil {
		return reply{}, err
	}
	q := r.URL.Query()
	list, err := a.bucket.store.ListBucket(bucket, &gofakes3.Prefix{HasPrefix: q.Get("prefix") != "", Prefix: q.Get("prefix")}, gofakes3.ListBucketPage{})
	if err != nil {
		return reply{}, err
	}
	out, limit := []any{}, number(r, "per_page", 20)
	last := ""
	for _, o := range list.Contents {
		if o.Key <= q.Get("cursor") {
			continue
		}
		if len(out) == limit {
			return reply{Result: out, Info: map[string]any{"cursor": last, "is_truncated": true}}, nil
		}
		out, last = append(out, map[string]any{"key": o.Key, "size": o.Size, "last_modified": o.LastModified.UTC()}), o.Key
	}
	return reply{Result: out, Info: map[string]any{"cursor": "", "is_truncated": false}}, nil
}

func (a *Account) getObject(r *http.Request) (reply, error) {
	bucket, err := a.found(r)
	if err != nil {
		return reply{}, err
	}
	content, meta := a.bucket.read(bucket, r.PathValue("key"))
	if meta == nil {
		return reply{}, refuse(http.StatusNotFound, 10007, "The specified key does not exist.")
	}
	return reply{Raw: content, Type: meta["Content-Type"]}, nil
}

func (a *Account) putObject(r *http.Request) (reply, error) {
	bucket, err := a.found(r)
	if err != nil {
		return reply{}, err
	}
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return reply{}, err
	}
	key := r.PathValue("key")
	return reply{Result: map[string]any{"key": key, "size": fmt.Sprint(len(content))}}, a.bucket.write(bucket, key, r.Header.Get("Content-Type"), content)
}

func (a *Account) deleteObject(r *http.Request) (reply, error) {
	bucket, err := a.found(r)
	if err != nil {
		return reply{}, err
	}
	_, err = a.bucket.store.DeleteObject(bucket, r.PathValue("key"))
	return reply{Result: map[string]any{"key": r.PathValue("key")}}, err
}

// serveS3 checks the signature of a request, as R2 does, and hands it to the S3 server.
func (b *buckets) serveS3(w http.ResponseWriter, r *http.Request) {
	code, status := b.account.checkS3(r)
	if code != "" {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, code)
		return
	}
	b.s3.ServeHTTP(w, r)
}

// checkS3 recomputes Signature Version 4 with the credentials that derive from the API token: its id, and its SHA-256.
func (a *Account) checkS3(r *http.Request) (code string, status int) {
	a.mu.Lock()
	denied := a.denied[PermR2] || a.revoked
	a.mu.Unlock()
	fields := map[string]string{}
	auth, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	for field := range strings.SplitSeq(auth, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	payload := r.Header.Get("X-Amz-Content-Sha256")
	switch {
	case !ok || len(scope) != 5:
		return "AccessDenied", http.StatusForbidden
	case strings.HasSuffix(payload, "-TRAILER"): // R2 does not read trailing checksums
		return "NotImplemented", http.StatusNotImplemented
	case scope[0] != a.TokenID:
		return "InvalidAccessKeyId", http.StatusForbidden
	case scope[2] != "auto" && scope[2] != "us-east-1":
		return "InvalidRegionName", http.StatusBadRequest
	}
	sum := sha256.Sum256([]byte(a.Token))
	key := []byte("AWS4" + hex.EncodeToString(sum[:]))
	for _, part := range scope[1:] {
		key = sign(key, part)
	}
	canonical := canonicalRequest(r, strings.Split(fields["SignedHeaders"], ";"), payload)
	hashed := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", r.Header.Get("X-Amz-Date"), strings.Join(scope[1:], "/"), hex.EncodeToString(hashed[:])}, "\n")
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	switch {
	case err != nil || time.Since(at).Abs() > 15*time.Minute:
		return "RequestTimeTooSkewed", http.StatusForbidden
	case hex.EncodeToString(sign(key, text)) != fields["Signature"]:
		return "SignatureDoesNotMatch", http.StatusForbidden
	case denied:
		return "AccessDenied", http.StatusForbidden
	}
	return "", 0
}

func sign(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func canonicalRequest(r *http.Request, signed []string, payload string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", r.Method, r.URL.EscapedPath())
	q := r.URL.Query()
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(q)) {
		for _, value := range q[name] {
			pairs = append(pairs, escape(name)+"="+escape(value))
		}
	}
	sort.Strings(pairs)
	fmt.Fprintf(&b, "%s\n", strings.Join(pairs, "&"))
	for _, name := range signed {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&b, "%s:%s\n", name, strings.TrimSpace(value))
	}
	fmt.Fprintf(&b, "\n%s\n%s", strings.Join(signed, ";"), payload)
	return b.String()
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// Drop removes an object.
func (a *Account) Drop(bucket, key string) {
	a.t.Helper()
	if _, err := a.bucket.store.DeleteObject(bucket, key); err != nil {
		a.t.Fatalf("drop %s: %v", key, err)
	}
}
