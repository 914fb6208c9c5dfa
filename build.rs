//! Links the program without position independence where that is known to work: most of its start-up would otherwise go
//! into relocating itself (some 60 % of a start that should take half as long as `git rev-parse`). A setting for cargo
//! (`.cargo/config.toml`) would not reach `cargo install`, and would compile every dependency anew.
//!
//! What is given up is a random address of the program's own code; libraries, heap and stacks keep theirs, and the
//! program is memory-safe Rust.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |part: &str| std::env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
