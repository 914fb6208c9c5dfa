//! Links the program without position independence where that is known to work: a large program spends much of its
//! start relocating itself. A setting for cargo (`.cargo/config.toml`) would not reach `cargo install`, and would compile
//! every dependency anew. `scripts/build-release` goes further.
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
