module github.com/slogcast/slogcast

go 1.26
