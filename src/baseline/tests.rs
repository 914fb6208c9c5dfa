use super::*;

fn files(list: &[(&str, &str)]) -> Files {
    Files(list.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
}

/// What is found, one `<purpose>: <command>` each.
fn found(list: &[(&str, &str)]) -> Vec<String> {
    let line = |f: Found| format!("{}: {}", f.what.word(), f.command.join(" "));
    detect(&files(list)).into_iter().map(line).collect()
}

#[test]
fn manifests_say_what_a_project_runs() {
    let none: &[&str] = &[];
    for (tree, said) in [
        (&[("README.md", "make test")][..], none),
        (&[("Cargo.toml", "[package]\nname = \"a\"\n")], &["test: cargo test", "format: cargo fmt --check"]),
        (
            &[("Cargo.toml", "[workspace]\nmembers = [\"a\"]\n[workspace.lints.clippy]\nall = \"deny\"\n")],
            &["test: cargo test --workspace", "lint: cargo clippy --workspace", "format: cargo fmt --all --check"],
        ),
        (
            &[("Cargo.toml", "[package]\nname = \"a\"\n"), ("clippy.toml", "")],
            &["test: cargo test", "lint: cargo clippy", "format: cargo fmt --check"],
        ),
        (&[("Cargo.toml", "[package\n")], none),
        (
            &[(
                "package.json",
                r#"{"scripts":{"test":"node --test","lint":"eslint .","format:check":"prettier --check .","build":"tsc"}}"#,
            )],
            &["test: npm test", "lint: npm run lint", "format: npm run format:check"],
        ),
        (
            &[("package.json", r#"{"scripts":{"test":"vitest run","typecheck":"tsc"}}"#), ("pnpm-lock.yaml", "")],
            &["test: pnpm test", "lint: pnpm run typecheck"],
        ),
        (&[("package.json", r#"{"scripts":{"test":"jest"}}"#), ("yarn.lock", "")], &["test: yarn test"]),
        (&[("package.json", r#"{"scripts":{"test":"bun test"}}"#), ("bun.lockb", "")], &["test: bun run test"]),
        // What `npm init` writes, what mends, what never ends, and what is no manifest.
        (&[("package.json", r#"{"scripts":{"test":"echo \"Error: no test specified\" && exit 1"}}"#)], none),
        (&[("package.json", r#"{"scripts":{"lint":"eslint --fix .","test":"jest --watch"}}"#)], none),
        (&[("package.json", r#"{"scripts":{"test":7},"scripts":{}}"#)], none),
        (&[("package.json", r#"{"scripts":["test"]}"#)], none),
        (
            &[(
                "pyproject.toml",
                "[tool.pytest.ini_options]\n[tool.ruff]\n[tool.mypy]\nfiles = [\"a\"]\n[tool.black]\n",
            )],
            &["test: python3 -m pytest", "lint: ruff check", "lint: mypy", "format: black --check ."],
        ),
        (
            &[("pyproject.toml", "[tool.ruff.format]\nquote-style = \"single\"\n"), ("tests/test_a.py", "")],
            &["test: python3 -m unittest discover -s tests", "lint: ruff check", "format: ruff format --check"],
        ),
        (&[("tox.ini", "[tox]\n[pytest]\n")], &["test: python3 -m pytest"]),
        (&[("setup.cfg", "[tool:pytest]\n[flake8]\n")], &["test: python3 -m pytest", "lint: flake8"]),
        (&[("requirements-dev.txt", "pytest==8\n"), ("tests/test_a.py", "")], &["test: python3 -m pytest"]),
        (&[("test/test_a.py", "")], &["test: python3 -m unittest discover -s test"]),
        (&[("tests/helper.py", "")], none),
        (&[("go.mod", "module a\n")], &["test: go test ./...", "lint: go vet ./..."]),
        (
            &[(
                "Makefile",
                "CHECK := x\n.PHONY: test\ntest: build\n\tsh t\nlint:\n\tsh l\ncheck: test lint\nfmt-check:\n\tsh f\n",
            )],
            &["test: make test", "lint: make lint", "format: make fmt-check"],
        ),
        (&[("Makefile", "check:\n\tsh t\n")], &["test: make check"]),
        (&[("Makefile", "test := 1\ninstall: all\n\ttest: no\n")], none),
        (&[("justfile", "test filter='':\n  cargo test\nlint:\n  x\n")], &["test: just test", "lint: just lint"]),
    ] {
        assert_eq!(found(tree), said, "{tree:?}");
    }
}

#[test]
fn lines_of_ci_are_taken_where_they_are_plain() {
    let workflow = "
on: push
env: {CI: 1}
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: cargo test --all-features
      - name: several
        run: |
          rustup component add clippy
          cargo clippy --all-targets -- -D warnings
          cargo fmt --check
          RUST_LOG=x cargo test
          cargo test | tee log
          cargo test ${{ matrix.flags }}
          cargo test \\
            --release
          cd sub
          cargo test --lib
      - run: cargo test --doc
        working-directory: sub
      - run: cargo test --bins
        shell: pwsh
      - run: cargo install cargo-nextest && cargo nextest run
      - run: ruff check --fix
  b:
    defaults: {run: {working-directory: web}}
    steps: [{run: npm test}]
";
    assert_eq!(
        found(&[(".github/workflows/ci.yml", workflow), ("Cargo.toml", "[package]\nname = \"a\"\n")]),
        [
            "test: cargo test --all-features",
            "test: cargo test",
            "lint: cargo clippy --all-targets -- -D warnings",
            "format: cargo fmt --check",
        ]
    );
    let pipeline = "
default:
  before_script: [pip install tox]
x: &x
  script: [pytest]
test:
  <<: *x
  script:
    - python -m pytest tests/unit -q
    - uv run mypy src
lint:
  script: ruff check .
elsewhere:
  script:
    - cd docs
    - make lint
";
    assert_eq!(
        found(&[(".gitlab-ci.yml", pipeline)]),
        ["test: pytest", "test: python -m pytest tests/unit -q", "lint: uv run mypy src", "lint: ruff check ."]
    );
}

#[test]
fn hostile_ci_files_say_nothing() {
    let deep = format!("jobs: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bomb: String = (1..30).map(|n| format!("a{n}: &a{n} [*a{}, *a{}]\n", n - 1, n - 1)).collect();
    let bomb = format!("a0: &a0 [x, x]\n{bomb}jobs: *a29\n");
    for text in
        ["", "jobs: [", "jobs: {a: {steps: {run: cargo test}}}", "- run: cargo test", "\0", deep.as_str(), &bomb]
    {
        assert_eq!(found(&[(".github/workflows/x.yml", text)]), [""; 0], "{}", &text[..text.len().min(80)]);
    }
}

#[test]
fn commands_are_known_by_their_words() {
    for (line, what) in [
        ("cargo nextest run", Some(What::Test)),
        ("cargo nextest list", None),
        ("cargo fmt", None),
        ("cargo clippy --fix", None),
        ("cargo +nightly test", None),
        ("npm ci", None),
        ("npm t", Some(What::Test)),
        ("npm run deploy", None),
        ("yarn lint", Some(What::Lint)),
        ("poetry run pytest -q", Some(What::Test)),
        ("bundle exec rspec", Some(What::Test)),
        ("uv sync", None),
        ("python -m build", None),
        ("python3 -m unittest", Some(What::Test)),
        ("black .", None),
        ("black --check .", Some(What::Format)),
        ("ruff format --check", Some(What::Format)),
        ("go test ./... -race", Some(What::Test)),
        ("golangci-lint run", Some(What::Lint)),
        ("make test install", None),
        ("make -C sub test", None),
        ("./gradlew check", Some(What::Test)),
        ("rm -rf .", None),
        ("pytest --version", None),
    ] {
        let found = known::words(line).and_then(|command| known::what(&command));
        assert_eq!(found, what, "{line}");
    }
    for line in [
        "A=b pytest",
        "pytest $X",
        "pytest; rm x",
        "pytest > log",
        "pytest 'a b'",
        "",
        "# pytest",
        "- pytest",
        ". venv",
    ] {
        assert_eq!(known::words(line), None, "{line}");
    }
}

fn spec() -> Spec {
    let intent = include_str!("../../examples/jot.md");
    crate::intent::compile(intent.as_bytes(), "x.md", None).unwrap_or_else(|e| panic!("{}", e.render(false))).spec
}

/// A view of a spec compiles to the same spec.
#[track_caller]
fn assert_comes_back(spec: &Spec, view: &str) {
    let back = crate::intent::compile(view.as_bytes(), "x.md", Some(&spec.id))
        .unwrap_or_else(|e| panic!("{}", e.render(false)));
    assert_eq!(crate::spec::write(&back.spec), crate::spec::write(spec));
}

fn measured(command: &[&str], id: &str, cause: Cause, ms: u64) -> Measured {
    let check = check_of(id, command.iter().map(|w| (*w).to_owned()).collect());
    let evidence = serde_json::json!({
        "schema": "otto.evidence/1", "check": id, "digest": check.digest(), "tree": "0".repeat(40), "passed": cause.passed(),
        "cause": cause, "started_at": "2026-11-23T20:00:00.042Z", "duration_ms": ms, "exit": 1, "detail": "it exits 1\nmore",
        "sandbox": "none", "environment": check.digest(),
    });
    let evidence = serde_json::from_value(evidence).unwrap();
    let outcome = Outcome { evidence, stdout: Vec::new(), stderr: Vec::new(), artifacts: Default::default() };
    Measured { check, from: "Makefile".into(), outcome }
}

#[test]
fn what_is_green_is_kept_and_comes_back_from_markdown() {
    let baseline = Baseline {
        measured: vec![
            measured(&["make", "test"], "baseline-test", Cause::Holds, 6_400),
            measured(&["pytest", "-q"], "baseline-test-2", Cause::Assertion, 100_000),
            measured(&["ruff", "check"], "baseline-lint", Cause::Unknown, 0),
        ],
    };
    let words: Vec<String> = baseline.measured.iter().map(Measured::words).collect();
    assert_eq!(
        words,
        [
            "`make test` green in 7 s, kept",
            "`pytest -q` red on the base after 2 min, not a gate: it exits 1; more",
            "`ruff check` could not be run: it exits 1; more",
        ]
    );
    let plain = spec();
    let mut kept = plain.clone();
    baseline.keep(&mut kept);
    assert_eq!(kept.cross_slice_checks.len(), plain.cross_slice_checks.len() + 1);
    let cross = kept.cross_slice_checks.last().unwrap();
    assert!(cross.check.is_baseline() && cross.slices.len() == plain.slices.len());
    // Nothing is kept twice, and a later version of the intent takes along what the approved one keeps.
    let mut again = kept.clone();
    baseline.keep(&mut again);
    take_along(&kept, &mut again);
    assert_eq!(again, kept);
    let mut later = plain.clone();
    take_along(&kept, &mut later);
    assert_eq!(later, kept);
    assert_eq!(crate::spec::parse(&crate::spec::write(&kept)).unwrap(), kept);
    let files = crate::intent::compile(include_bytes!("../../examples/jot.md"), "x.md", None).unwrap().files;
    let view = crate::intent::render(&kept, &files, true);
    assert!(view.contains("Keeps test `baseline-test`: `make test`."), "{view}");
    assert_comes_back(&kept, &view);
    let lines = serde_json::to_value(baseline.lines(&kept)).unwrap();
    assert_eq!(lines[0]["check"], "baseline-test");
    assert_eq!((&lines[1]["result"], &lines[1]["check"]), (&"red".into(), &serde_json::Value::Null));
}

#[test]
fn a_spec_of_one_slice_keeps_what_is_green_too() {
    let intent = "# one\n\nOne.\n\nKind: `cli`, started as `./one`.\n\nCommand `one`: prints.\n\n## Slice `one`\n\n\
                  **R1** It prints.\n\nOwns: `one`.\n\nCheck: `./one` prints `1`.\n";
    let mut spec = crate::intent::compile(intent.as_bytes(), "x.md", None).unwrap().spec;
    Baseline { measured: vec![measured(&["make", "test"], "baseline-test", Cause::Holds, 1)] }.keep(&mut spec);
    let spec = crate::spec::parse(&crate::spec::write(&spec)).unwrap();
    assert_comes_back(&spec, &crate::intent::render(&spec, &BTreeMap::new(), true));
}

#[test]
fn an_id_that_is_taken_is_not_taken_again() {
    let mut spec = spec();
    let slices = vec![spec.slices[0].id.clone()];
    spec.cross_slice_checks
        .push(CrossCheck { slices, check: check_of("baseline-test", vec!["sh".into(), "x".into()]) });
    Baseline { measured: vec![measured(&["make", "test"], "baseline-test", Cause::Holds, 1)] }.keep(&mut spec);
    assert_eq!(spec.cross_slice_checks.last().unwrap().check.id, "baseline-test-2");
}
