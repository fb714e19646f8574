// Package examples has what programs with a slogcast handler do beside logging. It
// is a module of its own, so that who imports handler gets none of the modules
// that these need. Copy what fits: each is a file.
//
//	expvarstats   handler.Stats in /debug/vars, with the standard library alone
//	promstats     a collector for Prometheus
//	otelstats     observable instruments of OpenTelemetry
//	shop          a program that logs, with the first two
//
// compose.yaml starts RabbitMQ, the shop, an archive and a page.
package examples
