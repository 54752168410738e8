package cloudflare

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/r2"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sync/errgroup"

	"overskill/internal/deploy/plan"
	"overskill/internal/fault"
)

// object is something in the bucket.
type object struct {
	Key      string    `json:"key"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"last_modified"`
}

// bulk talks to R2's S3 API, which has no rate limit to speak of and takes files of any size. Its credentials derive from
// the API token: the access key is the token's id, the secret is the SHA-256 of the token.
// (https://developers.cloudflare.com/r2/api/tokens/)
type bulk struct{ client *minio.Client }

func s3Secret(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// uploads is how many files travel at a time.
const uploads = 4

// objectTimeout bounds one call to R2 with its repetitions, before the time that its body takes.
const objectTimeout = 3 * callTimeout

// bulkClient returns the S3 client, or nil when the account's S3 API does not take the token: then the REST API does.
func (t *Target) bulkClient(ctx context.Context) (*bulk, error) {
	t.mu.Lock()
	known := t.s3
	t.mu.Unlock()
	if known != nil {
		return known, nil
	}
	id, err := t.tokenID(ctx)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(t.cfg.S3Endpoint)
	if err != nil {
		return nil, fmt.Errorf("address of the S3 API: %w", err)
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(id, s3Secret(t.cfg.Token), ""), Secure: u.Scheme == "https",
		Region: "auto", BucketLookup: minio.BucketLookupPath, Transport: t.s3Transport(), MaxRetries: 3,
	})
	if err != nil {
		return nil, fmt.Errorf("client of the S3 API: %w", err)
	}
	b := &bulk{client}
	t.mu.Lock()
	t.s3 = b
	t.mu.Unlock()
	return b, nil
}

// s3Transport gives up on a call that is not answered, so that the S3 client repeats it.
func (t *Target) s3Transport() http.RoundTripper {
	own, ok := t.cfg.HTTPClient.Transport.(*http.Transport)
	if !ok {
		return t.cfg.HTTPClient.Transport
	}
	own = own.Clone()
	own.ResponseHeaderTimeout = t.api.timeout
	return own
}

// ensureBucket creates the bucket when it is missing.
func (t *Target) ensureBucket(ctx context.Context) error {
	t.mu.Lock()
	known := t.bucket
	t.mu.Unlock()
	if known {
		return nil
	}
	get := r2.BucketGetParams{}
	set(&get.AccountID.Value, &get.AccountID.Present, t.cfg.AccountID)
	_, err := t.buckets.Get(ctx, t.cfg.Bucket, get)
	if fault.Is(err, fault.NotFound) {
		create := r2.BucketNewParams{}
		set(&create.AccountID.Value, &create.AccountID.Present, t.cfg.AccountID)
		set(&create.Name.Value, &create.Name.Present, t.cfg.Bucket)
		_, err = t.buckets.New(ctx, create)
		if has(err, codeBucketExists) { // another worker was faster, or a reply was lost
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("bucket %s: %w", t.cfg.Bucket, err)
	}
	t.mu.Lock()
	t.bucket = true
	t.mu.Unlock()
	return nil
}

// putObjects uploads the files that are not in the bucket yet. A key holds the hash of its content and a put is atomic,
// so a key that is there is complete.
func (t *Target) putObjects(ctx context.Context, appID int64, want []plan.Asset) (sent int64, err error) {
	if err := t.ensureBucket(ctx); err != nil {
		return 0, err
	}
	have, err := t.objects(ctx, appPrefix(appID))
	if err != nil {
		return 0, err
	}
	there := make(map[string]int64, len(have))
	for _, o := range have {
		there[o.Key] = o.Size
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	queued := map[string]bool{}
	for _, a := range want {
		if size, ok := there[a.R2Key]; (ok && size == a.Size) || queued[a.R2Key] {
			continue
		}
		queued[a.R2Key] = true
		sent += a.Size
		g.Go(func() error { return t.putObject(gctx, a.R2Key, a.ContentType, a.Content) })
	}
	if err := g.Wait(); err != nil {
		return 0, stopped(ctx, err)
	}
	return sent, nil
}

func appPrefix(appID int64) string { return fmt.Sprintf("apps/%d/", appID) }

// putObject stores one object, through the S3 API where it takes our token and through the REST API elsewhere.
func (t *Target) putObject(ctx context.Context, key, contentType string, content []byte) error {
	s3, err := t.bulkClient(ctx)
	if err != nil {
		return err
	}
	timed, cancel := context.WithTimeout(ctx, objectTimeout+time.Duration(len(content)/bodyRate)*time.Second)
	defer cancel()
	_, err = s3.client.PutObject(timed, t.cfg.Bucket, key, bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{ContentType: contentType})
	if s3Denied(err) {
		_, err = t.call(ctx, http.MethodPut, t.objectPath(key), &payload{Type: contentType, Body: content}, nil)
		if err != nil {
			return fmt.Errorf("upload %s: %w", key, err)
		}
		return nil
	}
	return t.s3Fault(ctx, "upload "+key, err)
}

// objectPath is the REST address of an object. The key is one segment of it.
func (t *Target) objectPath(key string) string {
	return t.account("/r2/buckets/%s/objects/%s", t.cfg.Bucket, url.PathEscape(key))
}

// objects lists what has a prefix. A bucket that is not there, or not used, holds nothing.
func (t *Target) objects(ctx context.Context, prefix string) ([]object, error) {
	if t.cfg.Bucket == "" {
		return nil, nil
	}
	s3, err := t.bulkClient(ctx)
	if err != nil {
		return nil, err
	}
	timed, cancel := context.WithTimeout(ctx, 5*objectTimeout)
	defer cancel()
	var out []object
	for o := range s3.client.ListObjectsIter(timed, t.cfg.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if s3Denied(o.Err) {
			return t.objectsByREST(ctx, prefix)
		}
		if o.Err != nil {
			if minio.ToErrorResponse(o.Err).Code == "NoSuchBucket" {
				return nil, nil
			}
			return nil, t.s3Fault(ctx, "list objects", o.Err)
		}
		out = append(out, object{o.Key, o.Size, o.LastModified})
	}
	if timed.Err() != nil {
		return nil, t.s3Fault(ctx, "list objects", timed.Err())
	}
	return out, nil
}

func (t *Target) objectsByREST(ctx context.Context, prefix string) ([]object, error) {
	var out []object
	q := url.Values{"prefix": {prefix}, "per_page": {"1000"}}
	for {
		var page []object
		env, err := t.call(ctx, http.MethodGet, t.account("/r2/buckets/%s/objects?%s", t.cfg.Bucket, q.Encode()), nil, &page)
		if has(err, codeNoBucket) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list objects: %w", err)
		}
		out = append(out, page...)
		if !env.Info.Truncated || env.Info.Cursor == "" {
			return out, nil
		}
		q.Set("cursor", env.Info.Cursor)
	}
}

// deleteObjects removes keys; those that are gone already are no error.
func (t *Target) deleteObjects(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	s3, err := t.bulkClient(ctx)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for _, key := range keys {
		g.Go(func() error {
			timed, cancel := context.WithTimeout(gctx, objectTimeout)
			defer cancel()
			err := s3.client.RemoveObject(timed, t.cfg.Bucket, key, minio.RemoveObjectOptions{})
			if s3Denied(err) {
				_, err = t.call(gctx, http.MethodDelete, t.objectPath(key), nil, nil)
				if err != nil && !fault.Is(err, fault.NotFound) {
					return fmt.Errorf("delete %s: %w", key, err)
				}
				return nil
			}
			return t.s3Fault(gctx, "delete "+key, err)
		})
	}
	return stopped(ctx, g.Wait())
}

// s3Denied reports whether the S3 API does not take our credentials, which says nothing about the REST API.
func s3Denied(err error) bool {
	switch minio.ToErrorResponse(err).Code {
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Unauthorized", "Forbidden":
		return err != nil
	}
	return false
}

// s3Fault turns an error of the S3 client into a fault without secrets. Its errors hold addresses and access keys, so
// only their text goes on.
func (t *Target) s3Fault(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	cause := errors.New(t.api.redact.text(what + ": " + err.Error()))
	res := minio.ToErrorResponse(err)
	switch {
	case res.Code == "EntityTooLarge":
		return fault.Wrap(cause, fault.TooLarge, "A file is too large for R2.")
	case strings.HasPrefix(res.Code, "NoSuch"):
		return fault.Wrap(cause, fault.NotFound, "The R2 bucket %s is gone. Deploy again, which creates it.", t.cfg.Bucket)
	}
	return fault.Wrap(cause, fault.Unavailable, "Cloudflare R2 could not be reached. Nothing was changed; try again in a minute.")
}
