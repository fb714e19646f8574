package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// pageAddress is how logtail serve says where its page is.
var pageAddress = regexp.MustCompile(`the page is at (https?://[^/]+)/(?:#token=(\w+))?`)

// askPage is the command page of the scripts.
func askPage(ts *testscript.TestScript, neg bool, args []string) {
	expect(ts, false, []string{args[0], pageAddress.String()})
	address := pageAddress.FindStringSubmatch(ts.ReadFile(args[0]))
	want := regexp.MustCompile("(?m)" + args[2])
	deadline := time.Now().Add(30 * time.Second)
	for poll := time.Tick(20 * time.Millisecond); ; <-poll {
		req, err := http.NewRequest("GET", address[1]+args[1], nil)
		ts.Check(err)
		if !neg {
			req.Header.Set("Authorization", "Bearer "+address[2])
		}
		resp, err := http.DefaultClient.Do(req)
		ts.Check(err)
		body, err := io.ReadAll(resp.Body)
		ts.Check(err)
		ts.Check(resp.Body.Close())
		if want.Match(append([]byte(resp.Status+"\n"), body...)) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no match for %q in %s:\n%s\n%s", args[2], args[1], resp.Status, body)
		}
	}
}

// writePair writes a certificate and its key.
func writePair(t *testing.T, cert, key string, until, changed time.Time) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"logs.example"}, NotAfter: until}
	der, err1 := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	pkcs8, err2 := x509.MarshalPKCS8PrivateKey(private)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := errors.Join(os.WriteFile(path, pem.EncodeToMemory(block), 0o600), os.Chtimes(path, changed, changed)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeyPairIsReadAnew(t *testing.T) {
	var stderr bytes.Buffer
	dir, noon := t.TempDir(), time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	k := &keyPair{ui: newUI(nil, nil, &stderr), cert: filepath.Join(dir, "cert"), key: filepath.Join(dir, "key")}
	writePair(t, k.cert, k.key, time.Now().Add(-time.Hour), noon)
	first, err := k.load()
	if err != nil || !strings.Contains(stderr.String(), "has expired at") {
		t.Fatalf("%v, %q", err, &stderr)
	}
	get := func() *tls.Certificate {
		cert, err := k.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	if get() != first {
		t.Error("another, though the files have not changed")
	}
	writePair(t, k.cert, k.key, time.Now().Add(time.Hour), noon.Add(time.Minute))
	second := get()
	if second == first || second.Leaf.NotAfter.Before(time.Now()) {
		t.Error("the old one, though the files have changed")
	}
	stderr.Reset()
	for range 2 {
		if err := os.WriteFile(k.key, []byte("half of"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(k.key, noon, noon); err != nil {
			t.Fatal(err)
		}
		if get() != second {
			t.Error("what is not in order is taken")
		}
	}
	if got := stderr.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "what was read before stays") {
		t.Errorf("%q", got)
	}
}
