package house

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/slogcast/slogcast/"

// mayImport says, for packages by path.Match's patterns, which of this module's
// packages they may import. What no row names may import nothing of the module.
// Tests may import what they need.
var mayImport = []struct {
	packages string
	imports  []string
}{
	{"cmd/logtail", []string{"handler", "sink", "sink/*", "internal/broker", "cmd/logtail/internal/*", "internal/link"}},
	{"cmd/logtail/internal/*", []string{"handler", "sink", "sink/*", "cmd/logtail/internal/view"}},
	{"handler", []string{"internal/link", "internal/envelope", "internal/jsontext"}},
	{"sink", []string{"internal/link", "internal/envelope", "internal/jsontext"}},
	{"sink/*", []string{"sink", "internal/jsontext"}},
	{"internal/link", []string{"internal/wire"}},
	{"internal/broker", []string{"internal/wire"}},
	{"internal/envelope", []string{"internal/wire", "internal/jsontext"}},
	{"internal/brokertest", []string{"internal/broker"}},
}

// TestImports holds the arrows of the design: handler and sink do not know each
// other, sink none of its own packages, and nothing internal either of them.
func TestImports(t *testing.T) {
	for _, line := range list(t, "-f", "{{.ImportPath}} {{join .Imports \" \"}}", module+"...") {
		words := strings.Fields(line)
		importer := strings.TrimPrefix(words[0], module)
		var allowed []string
		for _, row := range mayImport {
			if matches(row.packages, importer) {
				allowed = row.imports
				break
			}
		}
		for _, imported := range words[1:] {
			imported, own := strings.CutPrefix(imported, module)
			if own && !slices.ContainsFunc(allowed, func(pattern string) bool { return matches(pattern, imported) }) {
				t.Errorf("%s imports %s; it may import: %s", importer, imported, strings.Join(allowed, ", "))
			}
		}
	}
}

// handlerDeps are the packages outside the standard library and this module that
// a program compiles when it imports handler.
var handlerDeps = []string{
	"github.com/rabbitmq/amqp091-go",
	"github.com/google/uuid",
	"github.com/cenkalti/backoff/v5",
}

func TestHandlerCompilesLittle(t *testing.T) {
	for _, dep := range list(t, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", module+"handler") {
		if dep != "" && !strings.HasPrefix(dep, module) && !slices.Contains(handlerDeps, dep) {
			t.Errorf("handler compiles %s", dep)
		}
	}
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

func list(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
