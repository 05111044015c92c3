"""The real parts on one machine, without Docker: for `make stack`, the tests and the benchmarks."""
