// Package house holds the tests of the repository as a whole: which package may
// import which, and what a program compiles that imports handler.
package house
