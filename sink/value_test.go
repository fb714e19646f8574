package sink

import "testing"

// What is not there can be asked like what is.
func TestValueOfWhatIsNotThere(t *testing.T) {
	r := ParseLine([]byte(`{"msg":"m","a":{"b":[1,"x"]}}`))
	missing, ok := r.Lookup("no.such.key")
	if ok || missing.Kind() != Null || missing.Text() != "" {
		t.Errorf("got %q, %v, kind %c", missing, ok, missing.Kind())
	}
	for range missing.Members() {
		t.Error("has members")
	}
	for range missing.Elements() {
		t.Error("has elements")
	}
	var texts []string
	list, _ := r.Lookup("a.b")
	for v := range list.Elements() {
		texts = append(texts, v.Text())
	}
	if len(texts) != 2 || texts[1] != "x" {
		t.Errorf("got %q", texts)
	}
}
