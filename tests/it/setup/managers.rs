//! Real package managers, offline: what lock files name is there for agents and checks, installed once.

use std::{fs, process::Command};

use super::*;

/// Writes a wheel of a package `greet` with a program of that name.
fn wheel(s: &Sandbox) {
    let script = "import zipfile\n\
        with zipfile.ZipFile('wheels/greet-1.0-py3-none-any.whl', 'w') as z:\n \
        z.writestr('greet.py', 'def main():\\n    print(\"hello\")\\n')\n \
        d = 'greet-1.0.dist-info/'\n \
        z.writestr(d + 'METADATA', 'Metadata-Version: 2.1\\nName: greet\\nVersion: 1.0\\n')\n \
        z.writestr(d + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n \
        z.writestr(d + 'entry_points.txt', '[console_scripts]\\ngreet = greet:main\\n')\n \
        z.writestr(d + 'RECORD', '')\n";
    fs::create_dir_all(s.path("wheels")).unwrap();
    let made = s.command("python3", ".").args(["-c", script]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// How many setups are kept.
fn layers(s: &Sandbox) -> usize {
    let of = |repo: fs::DirEntry| fs::read_dir(repo.path().join("setup/layers")).map_or(0, Iterator::count);
    fs::read_dir(s.path("state/git-otto")).unwrap().map(|e| of(e.unwrap())).sum()
}

#[test]
fn what_pip_installs_is_there_for_agents_and_checks_and_installed_once() {
    let s = Sandbox::new();
    wheel(&s);
    s.commit("Need greet", &[("requirements.txt", "greet==1.0\n")]);
    // Two checks find it, each by another way, and the agent too; the second check finds no bytecode of the first.
    let checks = [
        "`cat a.txt` prints `hello`",
        "`python3 -c 'import greet; greet.main()'; cat a.txt` prints a line with `hello`",
    ];
    s.write("intent.md", intent(&checks));
    let agent = agent(&s, "greet > a.txt");
    let wheels = s.path("wheels").display().to_string();
    let vars = [("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", wheels.as_str())];
    let run = |id: &str| s.otto_with(&["run", "--yes", "--id", id, "--agent", &agent, "../intent.md"], &vars, None);
    run("first").exits(0);
    assert_eq!(layers(&s), 1);
    assert_eq!(s.git(&["ls-tree", "-r", "--name-only", "otto/first", "--", ".venv", "a.txt"]), "a.txt");
    // What was installed is found again, although it could not be installed now.
    fs::remove_dir_all(s.path("wheels")).unwrap();
    run("second").exits(0);
    assert_eq!(layers(&s), 1);
    // Another version is another setup: it cannot be made, and nothing is proven.
    s.commit("Need more", &[("requirements.txt", "greet==2.0\n")]);
    let out = run("third").exits(5);
    assert!(out.stdout.contains("setup `.venv/bin/python -m pip install"), "{}{}", out.stdout, out.stderr);
    assert!(out.stdout.contains("could not be evaluated"), "{}{}", out.stdout, out.stderr);
    s.git(&["config", "otto.setup", "off"]);
    let out = run("fourth").exits(5);
    assert!(!out.stdout.contains("setup `"), "{}{}", out.stdout, out.stderr);
}

#[test]
fn npm_and_cargo_install_what_their_lock_files_name() {
    let s = Sandbox::new();
    let left = "{\"name\":\"left\",\"version\":\"1.0.0\",\"main\":\"left.js\"}";
    s.commit(
        "Two languages",
        &[
            (
                "package.json",
                "{\"name\":\"own\",\"version\":\"1.0.0\",\"dependencies\":{\"left\":\"file:vendor/left\"}}",
            ),
            ("vendor/left/package.json", left),
            ("vendor/left/left.js", "console.log('left')\n"),
            (
                "Cargo.toml",
                "[package]\nname = \"own\"\nversion = \"1.0.0\"\nedition = \"2021\"\n\n[dependencies]\ngreet = \"1\"\n",
            ),
            ("src/main.rs", "fn main() {\n    greet::greet();\n}\n"),
            (
                ".cargo/config.toml",
                "[source.crates-io]\nreplace-with = \"own\"\n\n[source.own]\ndirectory = \"crates\"\n",
            ),
            ("crates/greet/Cargo.toml", "[package]\nname = \"greet\"\nversion = \"1.0.0\"\nedition = \"2021\"\n"),
            ("crates/greet/src/lib.rs", "pub fn greet() {\n    println!(\"right\");\n}\n"),
            (
                "crates/greet/.cargo-checksum.json",
                "{\"files\":{},\"package\":\"0000000000000000000000000000000000000000000000000000000000000000\"}",
            ),
        ],
    );
    // The toolchain itself: rustup would look for it in HOME.
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    let path = path_with(&PathBuf::from(String::from_utf8(sysroot.stdout).unwrap().trim()).join("bin/cargo"));
    for (program, args) in
        [("npm", &["install", "--package-lock-only"][..]), ("cargo", &["generate-lockfile", "--offline"])]
    {
        let done = s.command(program, "repo").env("PATH", &path).args(args).output().unwrap();
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    }
    s.git(&["add", "package-lock.json", "Cargo.lock"]);
    s.git(&["commit", "-q", "-m", "Lock"]);
    s.write(
        "intent.md",
        intent(&[
            "`node -e 'require(\"left\")'; cat a.txt` prints a line with `left` and `a`",
            "`cargo run -q --locked; cat a.txt` prints a line with `right`",
        ]),
    );
    let agent = agent(&s, "(node -e 'require(\"left\")' && echo a) > a.txt");
    let vars = [("PATH", path.as_str()), ("npm_config_offline", "true")];
    s.otto_with(&["run", "--yes", "--no-baseline", "--agent", &agent, "../intent.md"], &vars, None).exits(0);
    assert_eq!(layers(&s), 1);
    assert_eq!(s.git(&["diff", "--name-only", "main", "otto/one", "--", ".", ":!.otto"]), "a.txt");
}

#[test]
fn uv_and_pnpm_install_what_their_lock_files_name() {
    let (Some(uv), Some(pnpm)) = (tool("uv"), tool("pnpm")) else { return };
    let s = Sandbox::new();
    wheel(&s);
    let path = format!("{}:{}", uv.parent().unwrap().display(), path_with(&pnpm));
    let project = "[project]\nname = \"own\"\nversion = \"1.0\"\nrequires-python = \">=3.8\"\n\
                   dependencies = [\"greet\"]\n\n[tool.uv]\nno-index = true\nfind-links = [\"wheels\"]\n";
    s.commit(
        "Two languages",
        &[
            ("pyproject.toml", project),
            (
                "package.json",
                r#"{"name":"own","version":"1.0.0","dependencies":{"left":"link:vendor/left"},"scripts":{"prepare":"echo x > made; echo y >> README.md"}}"#,
            ),
            ("vendor/left/package.json", r#"{"name":"left","version":"1.0.0"}"#),
            ("vendor/left/index.js", "console.log('left')\n"),
        ],
    );
    fs::rename(s.path("wheels"), s.path("repo/wheels")).unwrap();
    let vars = [("PATH", path.as_str()), ("UV_OFFLINE", "1"), ("npm_config_offline", "true")];
    for (program, args) in [(&uv, &["lock"][..]), (&pnpm, &["install", "--lockfile-only", "--ignore-scripts"])] {
        let done = s.command(program, "repo").envs(vars).args(args).output().unwrap();
        let said = [done.stdout, done.stderr].concat();
        assert!(done.status.success(), "{program:?}: {}", String::from_utf8_lossy(&said));
    }
    s.git(&["add", "uv.lock", "pnpm-lock.yaml", "wheels"]);
    s.git(&["commit", "-q", "-m", "Lock"]);
    s.write(
        "intent.md",
        intent(&[
            "`cat a.txt; greet` prints a line with `hello`",
            "`node -e 'require(\"left\")'; cat a.txt made` prints a line with `left` and `x`",
        ]),
    );
    let agent = agent(&s, "greet > a.txt");
    s.otto_with(&["run", "--yes", "--no-baseline", "--agent", &agent, "../intent.md"], &vars, None).exits(0);
    // What comes of files of the tree is installed anew in every checkout, and what a setup changes is nobody's work.
    assert_eq!(layers(&s), 0);
    assert_eq!(s.git(&["diff", "--name-only", "main", "otto/one", "--", ".", ":!.otto"]), "a.txt");
}
