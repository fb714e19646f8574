package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
)

// config is the file that gives servers names: logtail @prod.
//
//	[servers.prod]
//	url = "amqps://tail@mq.example/"   # or url-file, whose first line is the URL
//	exchange = "logs"
//	key = ["shop.*"]
//	tls = { ca-file = "ca.pem" }       # and cert-file, key-file, server-name
//
// Names of files are relative to its folder.
type config struct {
	Servers map[string]server `toml:"servers"`

	path string
}

type server struct {
	URL      string   `toml:"url"`
	URLFile  string   `toml:"url-file"`
	Exchange string   `toml:"exchange"`
	Key      []string `toml:"key"`
	TLS      struct {
		CAFile     string `toml:"ca-file"`
		CertFile   string `toml:"cert-file"`
		KeyFile    string `toml:"key-file"`
		ServerName string `toml:"server-name"`
	} `toml:"tls"`
}

// configPath returns where the file is, if there is one.
func configPath() (string, error) {
	if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "logtail", "config.toml"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find config.toml: %w", err)
	}
	return filepath.Join(home, ".config", "logtail", "config.toml"), nil
}

// readConfig reads the file. Its errors hold nothing of it but names: what stands
// in the wrong place may be a password.
func readConfig() (*config, error) {
	path, err := configPath()
	if err != nil {
		return nil, err
	}
	c := &config{path: path}
	meta, err := toml.DecodeFile(path, c)
	if malformed, ok := errors.AsType[toml.ParseError](err); ok {
		return nil, usagef("line %d of %s can't be read as TOML", malformed.Position.Line, path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, usagef("read %s: %w", path, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, usagef("%s has the key %s, which nothing is known of", path, unknown[0])
	}
	return c, nil
}

// names returns the names of the servers, as they are given.
func (c *config) names() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.Servers)) {
		names = append(names, "@"+name)
	}
	return names
}

// find returns the server that @NAME means.
func (c *config) find(name string) (server, error) {
	s, ok := c.Servers[strings.TrimPrefix(name, "@")]
	switch {
	case !ok && len(c.Servers) == 0:
		return s, usagef("no server is called %s: %s names none", name, c.path)
	case !ok:
		return s, usagef("no server is called %s in %s; there are %s", name, c.path, strings.Join(c.names(), ", "))
	case (s.URL == "") == (s.URLFile == ""):
		return s, usagef("the server %s in %s needs a url or a url-file, and not both", name, c.path)
	}
	for _, file := range []*string{&s.URLFile, &s.TLS.CAFile, &s.TLS.CertFile, &s.TLS.KeyFile} {
		if *file != "" && !filepath.IsAbs(*file) {
			*file = filepath.Join(filepath.Dir(c.path), *file)
		}
	}
	return s, nil
}

// address returns the server's URL, its TLS settings in the parameters.
func (s *server) address() (string, error) {
	address := s.URL
	if s.URLFile != "" {
		line, err := firstLine(s.URLFile)
		if err != nil {
			return "", fmt.Errorf("read URL: %w", err)
		}
		address = line
	}
	parameters := url.Values{}
	for name, value := range map[string]string{
		"cacertfile": s.TLS.CAFile, "certfile": s.TLS.CertFile, "keyfile": s.TLS.KeyFile, "server_name_indication": s.TLS.ServerName,
	} {
		if value != "" {
			parameters.Set(name, value)
		}
	}
	switch {
	case len(parameters) == 0:
		return address, nil
	case strings.Contains(address, "?"):
		return address + "&" + parameters.Encode(), nil
	}
	return address + "?" + parameters.Encode(), nil
}

// applyServer sets the flags that were not given by the server that the command
// line names. It returns the flags that the environment has no say in.
func applyServer(u *ui, cmd *cobra.Command, name string) (settled []string, err error) {
	if name == "" {
		return nil, nil
	}
	f := cmd.Flags()
	if f.Lookup("url") == nil {
		return nil, usagef("%s takes no server", cmd.CommandPath())
	}
	for _, other := range []string{"url", "url-file", "embedded"} {
		if f.Changed(other) {
			return nil, usagef("%s and --%s both name a broker; give one of them", name, other)
		}
	}
	c, err := readConfig()
	if err != nil {
		return nil, err
	}
	s, err := c.find(name)
	if err != nil {
		return nil, err
	}
	if login.MatchString(s.URL) {
		c.advise(u)
	}
	address, err := s.address()
	if err != nil {
		return nil, err
	}
	if err := f.Lookup("url").Value.Set(address); err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	for flag, values := range map[string][]string{"exchange": {s.Exchange}, "key": s.Key} {
		f := f.Lookup(flag)
		if f == nil || heading(f) != groupConnection || f.Changed {
			continue // bench's --exchange is another thing
		}
		for _, value := range values {
			if value == "" {
				continue
			}
			if err := f.Value.Set(value); err != nil {
				return nil, usagef("%s: %w", name, err)
			}
			settled = append(settled, flag)
		}
	}
	return append(settled, "url", "url-file"), nil
}

// advise tells when others can read a password in the file.
func (c *config) advise(u *ui) {
	const others = 0o077
	info, err := os.Stat(c.path)
	if err == nil && info.Mode().Perm()&others != 0 && runtime.GOOS != "windows" {
		u.notice("others can read %s, which holds a password", c.path)
		u.hint("chmod 600 " + c.path)
	}
}

// takeServer takes @NAME from the beginning of a command line, also of one that
// the shell wants to have completed.
func takeServer(args []string) (name string, rest []string) {
	at := 0
	if len(args) > 2 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		at = 1
	}
	if len(args) > at && isServer(args[at]) {
		return args[at], slices.Delete(slices.Clone(args), at, at+1)
	}
	return "", args
}

func isServer(arg string) bool { return strings.HasPrefix(arg, "@") && len(arg) > 1 }

// completeServer offers the servers' names to the shell.
func completeServer(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	c, err := readConfig()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.names(), cobra.ShellCompDirectiveNoFileComp
}
