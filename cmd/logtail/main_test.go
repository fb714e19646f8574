package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slogcast/slogcast/internal/brokertest"
)

// programs are those that tests start, by name.
var programs = map[string]func(){"logtail": main}

func TestMain(m *testing.M) { testscript.Main(brokertest.Tests{M: m}, programs) }

// TestScripts runs the scripts of testdata/script against every broker. What
// they have beside testscript's commands:
//
//	start NAME COMMAND...   runs it in the background, with its output in
//	                        NAME.out and NAME.err
//	expect FILE REGEXP      waits until the file matches
//	signal NAME INT|TERM|USR1
//	                        sends the signal
//	finish NAME CODE        waits for the end and compares the exit code
//	lines FILE N            compares the number of lines
//	declare TYPE            declares $LOGTAIL_EXCHANGE beforehand
//	publish KEY TEXT        publishes to it, with nothing but the text
//	delete                  deletes it
//	deletequeue NAME        deletes the queue
//	page FILE PATH REGEXP   waits until PATH of the page whose address is in FILE
//	                        matches; ! page FILE PATH REGEXP without the token
//	broker FILE             sets $LOGTAIL_URL to the URL in the file
//
// $URL, and so $LOGTAIL_URL, is the broker, $WRONG the same with a wrong
// password, hunter2, $NOWHERE with a vhost that does not exist.
func TestScripts(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		testscript.Run(t, testscript.Params{
			Dir: filepath.Join("testdata", "script"),
			Setup: func(env *testscript.Env) error {
				env.Vars = append(env.Vars,
					"URL="+b.URL, "LOGTAIL_URL="+b.URL,
					"WRONG="+b.As(t, "guest", "hunter2"),
					"NOWHERE="+b.URL+"nowhere",
					"LOGTAIL_EXCHANGE=test."+uuid.NewString(),
					"TZ=UTC",
				)
				exchange := env.Getenv("LOGTAIL_EXCHANGE")
				env.Defer(func() {
					b.Use(t, func(ch *amqp.Channel) { _ = ch.ExchangeDelete(exchange, false, false) }) // it may not exist
				})
				env.Values["jobs"] = jobs{}
				return nil
			},
			Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
				"start":       start,
				"expect":      expect,
				"signal":      signalJob,
				"finish":      finish,
				"lines":       countLines,
				"deletequeue": deleteQueue,
				"declare":     declare,
				"publish":     publish,
				"delete":      deleteExchange,
				"page":        askPage,
				"broker":      setBroker,
				"certificate": makeCertificate,
			},
		})
	})
}

// jobs are the programs that a script has started, by name.
type jobs map[string]*exec.Cmd

func job(ts *testscript.TestScript, name string) *exec.Cmd {
	cmd := ts.Value("jobs").(jobs)[name]
	if cmd == nil {
		ts.Fatalf("no %s was started", name)
	}
	return cmd
}

func start(ts *testscript.TestScript, _ bool, args []string) {
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "TMPDIR", "TZ", "PATH", "LOGTAIL_URL", "LOGTAIL_URL_FILE", "LOGTAIL_EXCHANGE", "LOGTAIL_LEVEL", "LOGTAIL_EMIT_LEVEL", "NO_COLOR", "CLICOLOR_FORCE", "TESTSCRIPT_COMMAND"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	out, err := os.Create(ts.MkAbs(args[0] + ".out"))
	ts.Check(err)
	problems, err := os.Create(ts.MkAbs(args[0] + ".err"))
	ts.Check(err)
	cmd.Stdout, cmd.Stderr = out, problems
	ts.Check(cmd.Start())
	ts.Check(errors.Join(out.Close(), problems.Close()))
	ts.Value("jobs").(jobs)[args[0]] = cmd
	ts.Defer(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill() // the script has failed
			_ = cmd.Wait()
		}
	})
}

func expect(ts *testscript.TestScript, _ bool, args []string) {
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	deadline := time.Now().Add(30 * time.Second)
	for poll := time.Tick(5 * time.Millisecond); ; <-poll {
		b, _ := os.ReadFile(ts.MkAbs(args[0])) // it may not be there yet
		got := string(b)
		if want.MatchString(got) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no match for %q in %s:\n%s", args[1], args[0], got)
		}
	}
}

func signalJob(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(job(ts, args[0]).Process.Signal(testSignals[args[1]]))
}

func finish(ts *testscript.TestScript, _ bool, args []string) {
	cmd := job(ts, args[0])
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // the exit code says it
	}()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
		ts.Fatalf("%s does not end", args[0])
	}
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[1] {
		ts.Fatalf("%s ended with %s, want %s:\n%s", args[0], got, args[1], ts.ReadFile(args[0]+".err"))
	}
}

func countLines(ts *testscript.TestScript, _ bool, args []string) {
	if got := fmt.Sprint(strings.Count(ts.ReadFile(args[0]), "\n")); got != args[1] {
		ts.Fatalf("%s has %s lines, want %s", args[0], got, args[1])
	}
}

// withChannel runs do with $LOGTAIL_EXCHANGE of $URL.
func withChannel(ts *testscript.TestScript, do func(ch *amqp.Channel, exchange string) error) {
	conn, err := amqp.Dial(ts.Getenv("URL"))
	ts.Check(err)
	defer conn.Close()
	ch, err := conn.Channel()
	ts.Check(err)
	ts.Check(do(ch, ts.Getenv("LOGTAIL_EXCHANGE")))
}

func declare(ts *testscript.TestScript, _ bool, args []string) {
	withChannel(ts, func(ch *amqp.Channel, exchange string) error {
		return ch.ExchangeDeclare(exchange, args[0], true, false, false, false, nil)
	})
}

func publish(ts *testscript.TestScript, _ bool, args []string) {
	withChannel(ts, func(ch *amqp.Channel, exchange string) error {
		return ch.PublishWithContext(context.Background(), exchange, args[0], false, false, amqp.Publishing{Body: []byte(args[1])})
	})
}

func deleteExchange(ts *testscript.TestScript, _ bool, _ []string) {
	withChannel(ts, func(ch *amqp.Channel, exchange string) error { return ch.ExchangeDelete(exchange, false, false) })
}

func deleteQueue(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := amqp.Dial(ts.Getenv("URL"))
	ts.Check(err)
	defer conn.Close()
	ch, err := conn.Channel()
	ts.Check(err)
	_, err = ch.QueueDelete(args[0], false, false, false)
	ts.Check(err)
}

func setBroker(ts *testscript.TestScript, _ bool, args []string) {
	url := regexp.MustCompile(`amqps?://\S+[0-9]`).FindString(ts.ReadFile(args[0]))
	// Where it listens on every address, this one reaches it.
	ts.Setenv("LOGTAIL_URL", strings.ReplaceAll(url, "[::]", "127.0.0.1"))
}

// makeCertificate writes a certificate that nobody else has signed, for a name, to
// cert.pem, and its key to key.pem.
func makeCertificate(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: args[0]}, DNSNames: args[:1],
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: der},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: private},
	} {
		ts.Check(os.WriteFile(ts.MkAbs(name), pem.EncodeToMemory(block), 0o600))
	}
}
