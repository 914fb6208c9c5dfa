//! Links the program without position independence where that is known to work: a large program spends much of its
//! start relocating itself. A setting for cargo (`.cargo/config.toml`) would not reach `cargo install`, and would compile
//! every dependency anew. `scripts/build-release` goes further.
//!
//! What is given up is a random address of the program's own code; libraries, heap and stacks keep theirs, and the
//! program is memory-safe Rust.
//!
//! And compiles the hook that is a program of its own, which the program then has inside.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The source of the hook.
const HOOK: &str = "hooks/reference-transaction.rs";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={HOOK}");
    let target = |part: &str| env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("reference-transaction");
    let made = if target("OS") == "linux" { hook(&out) } else { Err(None) };
    if let Err(why) = made {
        // Then the hook is a script.
        fs::write(&out, "").expect("the folder of the build can be written");
        if let Some(why) = why {
            println!("cargo:warning=no static program can be made, so that a hook of git stays a script: {why}");
        }
    }
}

/// Compiles the hook into one static file, or says why that cannot be done. Flags of the user's that are for the program,
/// such as those that measure coverage, would make the hook larger and slower, and it would write files.
fn hook(out: &Path) -> Result<(), Option<String>> {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()));
    rustc.args(["--edition", "2024", "--crate-type", "bin", "--target", &env::var("TARGET").unwrap_or_default()]);
    for option in ["panic=abort", "opt-level=s", "codegen-units=1", "strip=symbols", "relocation-model=static"] {
        rustc.args(["-C", option]);
    }
    rustc.args(["-C", "target-feature=+crt-static"]);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.args(["-C", &format!("linker={linker}")]);
    }
    let done = rustc.arg("-o").arg(out).arg(HOOK).output().map_err(|e| Some(e.to_string()))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(said.lines().find(|line| line.starts_with("error")).or(Some("rustc failed")).map(str::to_owned))
}
