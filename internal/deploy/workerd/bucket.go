package workerd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// bucket answers for env.BUCKET, read only. workerd's binding speaks a small protocol of its own over HTTP: the request
// is JSON in a header, and the reply is JSON metadata, whose length another header tells, followed by the object.
type bucket struct {
	files func(key string) (Object, error)
	say   func(text string)
}

// bucketRequest is the part of R2BindingRequest (workerd, r2-api.capnp) that reading needs. Numbers are strings.
type bucketRequest struct {
	Method string
	Object string
	Range  *struct {
		Offset, Length, Suffix *json.Number
	}
	RangeHeader string
	OnlyIf      *struct {
		EtagMatches      []etag
		EtagDoesNotMatch []etag
	}
}

type etag struct {
	Value string
	Type  string // strong, weak or wildcard
}

// Codes of R2's errors, as the Workers API shows them.
const (
	codeInternal     = 10001
	codeNoSuchKey    = 10007
	codeNotAllowed   = 10004
	codeInvalidRange = 10039
	codePrecondition = 10031
)

const maxBucketRequest = 64 << 10

func (b bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req, err := readBucketRequest(r)
	if err != nil {
		bucketError(w, http.StatusBadRequest, codeInternal, err.Error())
		return
	}
	if req.Method != "get" && req.Method != "head" {
		b.say("env.BUCKET can only be read; " + cut(req.Method, 40) + " was refused.")
		bucketError(w, http.StatusForbidden, codeNotAllowed, "This bucket can only be read.")
		return
	}
	if b.files == nil {
		bucketError(w, http.StatusNotFound, codeNoSuchKey, "The specified key does not exist.")
		return
	}
	o, err := b.files(req.Object)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		bucketError(w, http.StatusNotFound, codeNoSuchKey, "The specified key does not exist.")
		return
	case err != nil:
		b.say("A file of this version could not be read from the disk.")
		bucketError(w, http.StatusInternalServerError, codeInternal, "We encountered an internal error. Please try again.")
		return
	}
	defer o.Body.Close()
	b.send(w, req, o)
}

// readBucketRequest reads the metadata of a request: from a header, or from the beginning of the body of a write.
func readBucketRequest(r *http.Request) (req bucketRequest, err error) {
	raw := []byte(r.Header.Get("Cf-R2-Request"))
	if len(raw) == 0 {
		n, err := strconv.Atoi(r.Header.Get("Cf-R2-Metadata-Size"))
		if err != nil || n < 0 || n > maxBucketRequest {
			return req, errors.New("no request")
		}
		raw = make([]byte, n)
		if _, err := io.ReadFull(r.Body, raw); err != nil {
			return req, errors.New("the request breaks off")
		}
	}
	if err := json.Unmarshal(raw, &req); err != nil {
		return req, errors.New("the request cannot be read")
	}
	return req, nil
}

func (b bucket) send(w http.ResponseWriter, req bucketRequest, o Object) {
	tag := o.Hash
	if len(tag) > 32 {
		tag = tag[:32]
	}
	first, length, part, ok := req.span(o.Size)
	if !ok {
		bucketError(w, http.StatusRequestedRangeNotSatisfiable, codeInvalidRange, "The requested range is not satisfiable.")
		return
	}
	meta := map[string]any{
		"name": req.Object, "version": tag, "etag": tag, "size": strconv.FormatInt(o.Size, 10),
		"uploaded":   strconv.FormatInt(time.Unix(0, 0).UnixMilli(), 10), // a name holds its content's hash: it has no age
		"httpFields": map[string]any{}, "customFields": []any{}, "checksums": map[string]any{},
	}
	if part {
		meta["range"] = map[string]any{"offset": strconv.FormatInt(first, 10), "length": strconv.FormatInt(length, 10)}
	}
	head, err := json.Marshal(meta)
	if err != nil {
		panic(err) // strings and maps of them always marshal
	}
	h := w.Header()
	h.Set("Cf-R2-Metadata-Size", strconv.Itoa(len(head)))
	h.Set("Content-Type", "application/json")
	if !req.holds(tag) {
		h.Set("Content-Length", strconv.Itoa(len(head)))
		h.Set("Cf-R2-Error", bucketErrorText(codePrecondition, "At least one of the pre-conditions you specified did not hold."))
		w.WriteHeader(http.StatusPreconditionFailed)
		_, _ = w.Write(head)
		return
	}
	if req.Method == "head" {
		length = 0
	} else if _, err := o.Body.Seek(first, io.SeekStart); err != nil {
		h.Del("Cf-R2-Metadata-Size")
		bucketError(w, http.StatusInternalServerError, codeInternal, "We encountered an internal error. Please try again.")
		return
	}
	h.Set("Content-Length", strconv.FormatInt(int64(len(head))+length, 10))
	_, _ = w.Write(head)
	_, _ = io.CopyN(w, o.Body, length) // short of Content-Length, the reply counts as broken off
}

// span returns the part of an object that is asked for. ok is false for one that does not exist.
func (r bucketRequest) span(size int64) (first, length int64, part, ok bool) {
	switch {
	case r.Range != nil:
		return spanOf(number(r.Range.Offset), number(r.Range.Length), number(r.Range.Suffix), size)
	case r.RangeHeader != "":
		return spanOfHeader(r.RangeHeader, size)
	}
	return 0, size, false, true
}

// number returns a number of the protocol, or -1 for none.
func number(n *json.Number) int64 {
	if n == nil {
		return -1
	}
	v, err := n.Int64()
	if err != nil || v < 0 {
		return -1
	}
	return v
}

func spanOf(offset, length, suffix, size int64) (int64, int64, bool, bool) {
	if suffix >= 0 {
		suffix = min(suffix, size)
		return size - suffix, suffix, true, suffix > 0
	}
	offset = max(offset, 0)
	if offset >= size {
		return 0, 0, true, false
	}
	if length < 0 || length > size-offset {
		length = size - offset
	}
	return offset, length, true, length > 0
}

// spanOfHeader reads a Range header. What it cannot read, and several ranges, are the whole (RFC 9110 section 14.2).
func spanOfHeader(header string, size int64) (int64, int64, bool, bool) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	a, b, dash := strings.Cut(spec, "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return 0, size, false, true
	}
	first, err1 := strconv.ParseInt(strings.TrimSpace(a), 10, 64)
	last, err2 := strconv.ParseInt(strings.TrimSpace(b), 10, 64)
	switch {
	case err1 != nil && err2 == nil && strings.TrimSpace(a) == "" && last >= 0:
		return spanOf(-1, -1, last, size)
	case err1 == nil && first >= 0 && strings.TrimSpace(b) == "":
		return spanOf(first, -1, -1, size)
	case err1 == nil && err2 == nil && first >= 0 && last >= first:
		return spanOf(first, last-first+1, -1, size)
	}
	return 0, size, false, true
}

// holds reports whether the conditions of a request hold for an object with a tag.
func (r bucketRequest) holds(tag string) bool {
	if r.OnlyIf == nil {
		return true
	}
	oneOf := func(tags []etag) bool {
		for _, t := range tags {
			if t.Type == "wildcard" || t.Value == tag {
				return true
			}
		}
		return false
	}
	if r.OnlyIf.EtagMatches != nil && !oneOf(r.OnlyIf.EtagMatches) {
		return false
	}
	return !oneOf(r.OnlyIf.EtagDoesNotMatch)
}

func bucketErrorText(code int, message string) string {
	return fmt.Sprintf(`{"version":1,"v4code":%d,"message":%q}`, code, message)
}

func bucketError(w http.ResponseWriter, status, code int, message string) {
	w.Header().Set("Cf-R2-Error", bucketErrorText(code, message))
	w.WriteHeader(status)
}
