package house

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
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
	{"cmd/logtail/internal/*", []string{"handler", "sink", "sink/*", "cmd/logtail/internal/view", "internal/jsontext"}},
	{"handler", []string{"internal/link", "internal/envelope", "internal/jsontext"}},
	{"sink", []string{"internal/link", "internal/envelope", "internal/jsontext"}},
	{"sink/*", []string{"sink", "internal/jsontext", "internal/patterns"}},
	{"internal/link", []string{"internal/wire"}},
	{"internal/broker", []string{"internal/wire"}},
	{"internal/envelope", []string{"internal/wire", "internal/jsontext"}},
	{"internal/brokertest", []string{"internal/broker"}},
}

// TestImports holds the arrows of the design: handler and sink do not know each
// other, sink none of its own packages, and nothing internal either of them. It
// reads the files of all systems, which also keeps go test from showing an old
// result.
func TestImports(t *testing.T) {
	for file, imports := range sources(t, filepath.Join("..", "..")) {
		importer := filepath.ToSlash(filepath.Dir(file))
		var allowed []string
		for _, row := range mayImport {
			if matches(row.packages, importer) {
				allowed = row.imports
				break
			}
		}
		for _, imported := range imports {
			imported, own := strings.CutPrefix(imported, module)
			if own && !slices.ContainsFunc(allowed, func(pattern string) bool { return matches(pattern, imported) }) {
				t.Errorf("%s imports %s; %s may import: %s", file, imported, importer, strings.Join(allowed, ", "))
			}
		}
	}
}

// sources returns the imports of the module's files that are no tests, by the
// file's path below root.
func sources(t *testing.T, root string) map[string][]string {
	t.Helper()
	imports := make(map[string][]string)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root {
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil || d.Name()[0] == '.' || d.Name() == "testdata" {
				return filepath.SkipDir
			}
		}
		if filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, name)
		for _, i := range file.Imports {
			imports[below] = append(imports[below], strings.Trim(i.Path.Value, "\"`"))
		}
		return err
	})
	if err != nil || len(imports) == 0 {
		t.Fatalf("read the sources: %d files, %v", len(imports), err)
	}
	return imports
}

// handlerDeps are the packages outside the standard library and this module that
// a program compiles when it imports handler.
var handlerDeps = []string{
	"github.com/rabbitmq/amqp091-go",
	"github.com/google/uuid",
}

func TestHandlerCompilesLittle(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", module+"handler").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		if !strings.HasPrefix(dep, module) && !slices.Contains(handlerDeps, dep) {
			t.Errorf("handler compiles %s", dep)
		}
	}
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
