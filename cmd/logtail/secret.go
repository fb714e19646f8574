package main

import (
	"regexp"
	"strings"
)

// login is the beginning of a URL with a password, up to the last @ of the word:
// what should be escaped may not be.
var login = regexp.MustCompile(`(?i)(amqps?://)([^\s:@/]*):\S*@`)

// withoutPasswords returns text with the passwords of AMQP URLs left out. Our own
// errors hold none; what was given in the wrong place may.
func withoutPasswords(text string) string {
	return login.ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasSuffix(found, "//user:password@") || strings.HasSuffix(found, "//guest:guest@") {
			return found // how a URL looks; what everybody knows
		}
		return login.ReplaceAllString(found, "${1}${2}:…@")
	})
}
