//! A feature added to projects that already live: their own suites are found and told, ignored files are carried, what is red
//! does not block, and what landed is delivered, taken back and delivered again.

use std::path::PathBuf;

use super::support::Sandbox;

/// A project, and the feature that comes into it.
struct Project<'a> {
    /// The programs that it takes.
    needs: &'a [&'a str],
    files: &'a [(&'a str, &'a str)],
    /// Parts of what is told of its own commands: of those that are green, and of those that are red.
    green: &'a str,
    red: &'a str,
    /// A slice: what stands below its heading.
    slice: &'a str,
    /// What the agent does, a script of the shell.
    agent: &'a str,
    /// The file that is new.
    brings: &'a str,
}

/// Whether the programs are there; where the gate runs they have to be.
fn has(s: &Sandbox, programs: &[&str]) -> bool {
    let there = |p: &&str| s.spawn(s.command("sh", "").args(["-c", &format!("command -v {p}")]), None).wait().code == 0;
    let missing: Vec<_> = programs.iter().filter(|p| !there(p)).collect();
    assert!(missing.is_empty() || std::env::var_os("CI").is_none(), "{missing:?} are not there");
    if !missing.is_empty() {
        eprintln!("skipped: {missing:?} are not there");
    }
    missing.is_empty()
}

fn feature(p: &Project<'_>) {
    let s = Sandbox::new();
    if !has(&s, p.needs) {
        return;
    }
    s.git(&["config", "--global", "otto.fsync", "false"]);
    s.history(120);
    s.commit("Have a product", p.files);
    s.commit(
        "Carry the settings",
        &[(".gitignore", "settings.env\ntarget\nnode_modules\n"), (".worktreeinclude", "settings.env\n")],
    );
    s.write("repo/settings.env", "MODE=test\n");
    s.git(&["config", "otto.carry", "true"]);
    let intent = format!(
        "# Feature\n\nA feature more.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: is there.\n\n## Slice `feature`\n\n{}\n",
        p.slice
    );
    s.write("feature.md", intent);
    let done = r#"echo '{"schema":"otto.result/1","ok":true,"summary":"done"}'"#;
    let agent = s.script("agent.sh", &format!("#!/bin/sh\nset -e\ncat >/dev/null\n{}\n{done}\n", p.agent));

    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let place = |name: &str, own: &str| std::env::var(name).unwrap_or_else(|_| home.join(own).display().to_string());
    let (rustup, cargo) = (place("RUSTUP_HOME", ".rustup"), place("CARGO_HOME", ".cargo"));
    let vars = [("RUSTUP_HOME", rustup.as_str()), ("CARGO_HOME", cargo.as_str())];
    s.git(&["config", "--add", "otto.checkEnv", "RUSTUP_HOME,CARGO_HOME"]);
    let before = s.snapshot();
    let agent = format!("command:{}", agent.display());
    let run = s.otto_with(&["run", "--yes", "../feature.md", "--agent", &agent], &vars, None).exits(0);
    before.assert_same(&s.snapshot());
    for said in [p.green, p.red] {
        let told = run.stderr.lines().any(|l| said.split('…').all(|part| l.contains(part)));
        assert!(told, "{said:?} is not told in {run}");
    }
    let files = s.git(&["ls-tree", "-r", "--name-only", "otto/feature"]);
    assert!(files.contains(p.brings) && !files.contains("settings.env"), "{files}");

    let brought = s.path("repo").join(p.brings);
    for there in [true, false, true] {
        let args: &[&str] = if there { &["deliver", "feature"] } else { &["undo"] };
        s.otto_with(args, &vars, None).exits(0);
        assert_eq!(brought.exists(), there, "{args:?}");
        assert_eq!(s.git(&["status", "--porcelain"]), "");
    }
    s.otto(&["verify", "--all"]).exits(0);
}

#[test]
fn a_python_package_with_a_green_suite_and_a_red_one() {
    feature(&Project {
        needs: &["python3"],
        files: &[
            ("pyproject.toml", "[project]\nname = \"shop\"\nversion = \"1.0\"\n"),
            ("shop/__init__.py", "def total(prices):\n    return sum(prices)\n"),
            ("tests/__init__.py", ""),
            (
                "tests/test_total.py",
                "import unittest\nfrom shop import total\n\nclass Total(unittest.TestCase):\n    def test_it(self):\n        \
                 self.assertIn('MODE', open('settings.env').read())\n        self.assertEqual(total([1, 2]), 3)\n",
            ),
            ("Makefile", "test:\n\tpython3 -m unittest discover -s tests -t .\nlint:\n\tpython3 -m unittest old\n"),
            (
                "old.py",
                "import unittest\n\nclass Old(unittest.TestCase):\n    def test_it(self):\n        self.fail('for years')\n",
            ),
            (
                ".github/workflows/ci.yml",
                "jobs:\n  test:\n    steps:\n      - run: make test\n      - run: make lint\n",
            ),
        ],
        green: "baseline: `make test` green",
        red: "baseline: `make lint` red",
        slice: "**R1** The mean of prices is known.\n\nOwns: `shop/mean.py`.\n\n\
                Check: `python3 -c \"from shop.mean import mean; print(mean([1, 3]))\"` prints `2.0`.",
        agent: "printf 'def mean(prices):\\n    return sum(prices) / len(prices)\\n' > shop/mean.py",
        brings: "shop/mean.py",
    });
}

#[test]
fn a_node_package_with_a_lock_file() {
    feature(&Project {
        needs: &["node", "npm"],
        files: &[
            (
                "package.json",
                "{\"name\": \"shop\", \"version\": \"1.0.0\", \"scripts\": {\"test\": \"node test.js\", \"lint\": \"exit 1\"}, \
                 \"dependencies\": {\"sum\": \"file:sum\"}}\n",
            ),
            (
                "package-lock.json",
                "{\"name\": \"shop\", \"version\": \"1.0.0\", \"lockfileVersion\": 3, \"requires\": true, \"packages\": {\"\": \
                 {\"name\": \"shop\", \"version\": \"1.0.0\", \"dependencies\": {\"sum\": \"file:sum\"}}, \"node_modules/sum\": \
                 {\"resolved\": \"sum\", \"link\": true}, \"sum\": {\"version\": \"1.0.0\"}}}\n",
            ),
            ("sum/package.json", "{\"name\": \"sum\", \"version\": \"1.0.0\", \"main\": \"index.js\"}\n"),
            ("sum/index.js", "module.exports = (xs) => xs.reduce((a, b) => a + b, 0);\n"),
            (
                "test.js",
                "require('fs').readFileSync('settings.env');\nif (require('sum')([1, 2]) !== 3) process.exit(1);\n",
            ),
        ],
        green: "baseline: `npm …test` green",
        red: "baseline: `npm …lint` red",
        slice: "**R1** The mean of prices is known.\n\nOwns: `mean.js`.\n\n\
                Check: `node -p \"require('./mean')([1, 3])\"` prints `2`.",
        agent: "echo \"const sum = require('sum'); module.exports = (xs) => sum(xs) / xs.length;\" > mean.js",
        brings: "mean.js",
    });
}

#[test]
fn a_cargo_workspace_of_two_crates() {
    feature(&Project {
        needs: &["cargo"],
        files: &[
            ("Cargo.toml", "[workspace]\nresolver = \"2\"\nmembers = [\"sum\", \"shop\"]\n"),
            (
                "Cargo.lock",
                "version = 4\n\n[[package]]\nname = \"shop\"\nversion = \"1.0.0\"\ndependencies = [\n \"sum\",\n]\n\n\
                 [[package]]\nname = \"sum\"\nversion = \"1.0.0\"\n",
            ),
            ("sum/Cargo.toml", "[package]\nname = \"sum\"\nversion = \"1.0.0\"\nedition = \"2021\"\n"),
            ("sum/src/lib.rs", "pub fn sum(xs: &[f64]) -> f64 {\n    xs.iter().sum()\n}\n"),
            (
                "shop/Cargo.toml",
                "[package]\nname = \"shop\"\nversion = \"1.0.0\"\nedition = \"2021\"\n\n[dependencies]\nsum = { path = \"../sum\" }\n",
            ),
            (
                "shop/src/main.rs",
                "fn main() {\n    println!(\"{}\", sum::sum(&[1.0, 2.0]));\n}\n\n#[test]\nfn it_adds() {\n    \
                 assert!(std::path::Path::new(\"../settings.env\").exists());\n    assert_eq!(sum::sum(&[1.0, 2.0]), 3.0);\n}\n",
            ),
            ("Makefile", "lint:\n\t@exit 1\n"),
            (
                ".github/workflows/ci.yml",
                "jobs:\n  test:\n    steps:\n      - run: cargo test --workspace\n      - run: make lint\n",
            ),
        ],
        green: "baseline: `cargo test --workspace` green",
        red: "baseline: `make lint` red",
        slice: "**R1** The mean of prices is printed.\n\nOwns: `shop/examples/mean.rs`.\n\n\
                Check: `cargo run -q --offline --example mean` prints `2`.",
        agent: "mkdir -p shop/examples && printf 'fn main() {\\n    println!(\"{}\", sum::sum(&[1.0, 3.0]) / 2.0);\\n}\\n' > shop/examples/mean.rs",
        brings: "shop/examples/mean.rs",
    });
}
