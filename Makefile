# make run and make test are all that a newcomer needs. The rest is for daily work.

DATA ?= data
ADDR ?= 127.0.0.1:8080

.PHONY: run test check generate bench build

run: build ## build and start everything; data stays in ./data
	@bin/overskill serve --addr $(ADDR) --data-dir $(DATA)

test: ## all tests, in random order
	go test -timeout=20m -shuffle=on ./...

build: ## one binary in ./bin
	@echo "Building. The first time takes a few minutes, for everything is compiled from source."
	go build -trimpath -o bin/overskill ./cmd/overskill

generate: ## templ components and the bundle of static/src
	go tool templ generate -path views
	go run ./static/build

check: ## what CI runs
	bash .ci/run

bench: ## the figures of docs/BENCHMARKS.md
	bash scripts/bench
