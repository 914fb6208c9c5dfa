//! The `git-otto` program: everything is in the library.

fn main() -> std::process::ExitCode {
    git_otto::cli::main(std::env::args_os())
}
