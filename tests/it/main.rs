//! One test binary for the whole program, so that linking is paid once.

mod fake_agent;
