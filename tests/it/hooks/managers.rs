//! The real husky, lefthook, pre-commit and prek: theirs and ours are both called, whoever came first.
//!
//! `scripts/hook-managers` installs them. Where one is missing its test says so and passes, but for those that
//! `GIT_OTTO_REQUIRE_HOOK_MANAGERS` names.

use std::{env, fs, path::PathBuf};

use super::*;

/// Where they are installed.
fn folder() -> PathBuf {
    let chosen = env::var_os("GIT_OTTO_TEST_HOOK_MANAGERS").map(PathBuf::from);
    chosen.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hook-managers"))
}

/// Whether something of them is missing, which is an error where it is required.
fn is_missing(name: &str, there: bool) -> bool {
    let required = env::var("GIT_OTTO_REQUIRE_HOOK_MANAGERS").unwrap_or_default();
    assert!(there || !required.split(',').any(|r| r == name), "{name} is not in {}", folder().display());
    if !there {
        eprintln!("{name} is not installed, and not tested: scripts/hook-managers {name}");
    }
    !there
}

/// A Python that has a module.
pub fn python(module: &str) -> Option<PathBuf> {
    let python = folder().join("py/bin/python");
    let has = |python: &Path| {
        Command::new(python).args(["-c", &format!("import {module}")]).output().is_ok_and(|o| o.status.success())
    };
    let there = python.exists() && has(&python);
    (!is_missing(module, there)).then_some(python)
}

/// A person who uses one of them, whose own hook notes that it ran in `$HOME/ran` and fails where `$FAIL` is set.
struct Person {
    t: Team,
    path: String,
}

const THEIRS: &str = "echo theirs >> $HOME/ran; test -z \"$FAIL\"";

impl Person {
    fn of(manager: &str) -> Option<Person> {
        let bins = [folder().join("node_modules/.bin"), folder().join("py/bin")];
        if is_missing(manager, bins.iter().any(|bin| bin.join(manager).exists())) {
            return None;
        }
        let t = Team::new();
        let on_path = t.on_path();
        let path = env::join_paths(bins.into_iter().chain(env::split_paths(&on_path))).unwrap().into_string().unwrap();
        let p = Person { t, path };
        p.sh("mkdir -p ~/.config; git config --global init.defaultBranch main").exits(0);
        Some(p)
    }

    fn sh(&self, script: &str) -> Output {
        self.t.sh(
            "repo",
            script,
            &[("PATH", &self.path), ("EDITED", &self.t.edited()), ("COPY", COPY), ("LEFTHOOK_QUIET", "summary")],
        )
    }

    /// What is called at a commit: both, whatever either says.
    fn both_are_called(&self) {
        self.sh("rm -f ~/ran; echo $(date +%N) > a.txt; git add a.txt; git commit -qm x; test -s ~/ran").exits(0);
        let refused = self.sh("printf %s \"$EDITED\" > $COPY; git add $COPY; git commit -qm x");
        assert!(refused.code != 0, "{refused}");
        let said = refused.stdout.clone() + &refused.stderr;
        assert!(said.contains("refused:") && said.contains("git otto amend"), "{refused}");
        self.sh("git checkout -q HEAD $COPY; echo $(date +%N) > a.txt; git add a.txt; ! FAIL=1 git commit -qm x; git reset -q --hard").exits(0);
        // What moves refs is asked too.
        let refused = self.sh("git update-ref -d refs/otto/specs/word");
        assert!(refused.code != 0 && refused.stderr.contains("refused:"), "{refused}");
    }

    fn states(&self) -> Vec<String> {
        let said = self.sh("git otto hooks status --json").exits(0).json();
        said["hooks"].as_array().unwrap().iter().map(|h| h["state"].as_str().unwrap().to_owned()).collect()
    }

    /// Installs and takes away again; what the manager installed is as it was.
    fn comes_and_goes(&self, files: &[&str]) {
        let read = || files.iter().map(|f| fs::read(self.t.s.path("repo").join(f)).ok()).collect::<Vec<_>>();
        let config = || fs::read(self.t.s.path("repo/.git/config")).unwrap();
        let before = (read(), config(), self.t.s.git(&["status", "--porcelain"]));
        self.sh("git otto hooks install --yes").exits(0);
        assert_eq!(self.t.s.git(&["status", "--porcelain"]), before.2, "nothing appears in the checkout");
        self.both_are_called();
        self.sh("git otto hooks uninstall --yes").exits(0);
        assert_eq!((read(), config(), self.t.s.git(&["status", "--porcelain"])), before);
        self.sh("rm -f ~/ran; echo $(date +%N) > a.txt; git add a.txt; git commit -qm x; test -s ~/ran").exits(0);
    }
}

const ANSWERED: [&str; 4] = ["answered"; 4];

/// pre-commit and prek keep the hook that they find, and call it.
fn one_that_keeps_ours(manager: &str) {
    let Some(p) = Person::of(manager) else { return };
    let config = format!(
        "repos:\n- repo: local\n  hooks:\n  - id: theirs\n    name: theirs\n    language: system\n    always_run: true\n    \
         pass_filenames: false\n    entry: sh -c '{THEIRS}'\n"
    );
    p.t.s.commit("Theirs", &[(".pre-commit-config.yaml", &config)]);
    p.sh(&format!("{manager} install")).exits(0);
    p.comes_and_goes(&[".git/hooks/pre-commit", ".git/hooks/pre-commit.legacy"]);
    p.sh("git otto hooks install --yes").exits(0);
    assert_eq!(p.states(), ANSWERED);
    // They come again, and go for good.
    p.sh(&format!("{manager} install")).exits(0);
    assert_eq!(p.states(), ANSWERED);
    p.both_are_called();
    p.sh(&format!("{manager} uninstall")).exits(0);
    assert_eq!(p.states(), ANSWERED);
    // Ours are there first.
    p.sh(&format!(
        "git otto hooks uninstall --yes; rm -f .git/hooks/pre-commit*; git otto hooks install --yes; {manager} install"
    ))
    .exits(0);
    assert_eq!(p.states(), ANSWERED);
    p.both_are_called();
}

#[test]
fn pre_commit() {
    one_that_keeps_ours("pre-commit");
}

#[test]
fn prek() {
    one_that_keeps_ours("prek");
}

#[test]
fn lefthook() {
    let Some(p) = Person::of("lefthook") else { return };
    p.t.s.commit("Theirs", &[("lefthook.yml", &format!("pre-commit:\n  jobs:\n    - run: {THEIRS}\n"))]);
    p.sh("lefthook install").exits(0);
    p.comes_and_goes(&[".git/hooks/pre-commit", ".git/info/exclude", "lefthook-local.yml"]);
    p.sh("git otto hooks install --yes").exits(0);
    let job = if configured() { ANSWERED } else { ["job", "answered", "answered", "answered"] };
    assert_eq!(p.states(), job);
    p.sh("lefthook install --force").exits(0);
    assert_eq!(p.states(), job);
    p.both_are_called();
    // It has taken ours away where ours were first: that is told, and mended by installing again.
    p.sh("git otto hooks uninstall --yes; lefthook uninstall; git checkout -q HEAD lefthook.yml; git otto hooks install --yes").exits(0);
    assert_eq!(p.states(), ANSWERED);
    p.sh("lefthook install --force").exits(0);
    assert_eq!(p.states()[0], if configured() { "answered" } else { "missing" });
    p.sh("git otto hooks install --yes").exits(0);
    assert_eq!(p.states(), job);
    p.both_are_called();
}

#[test]
fn husky() {
    let Some(p) = Person::of("husky") else { return };
    p.t.s.commit("Theirs", &[(".husky/pre-commit", &format!("{THEIRS}\n"))]);
    p.sh("husky").exits(0);
    p.comes_and_goes(&[".husky/_/pre-commit", ".husky/_/pre-push", ".husky/pre-commit"]);
    p.sh("git otto hooks install --yes").exits(0);
    assert_eq!(p.states(), ANSWERED);
    // It writes its files anew whenever it is started: that is told, and mended by installing again.
    p.sh("husky").exits(0);
    let gone = ["missing", "missing", "missing", "answered"];
    assert_eq!(p.states(), if configured() { ANSWERED } else { gone });
    p.sh("git otto hooks install --yes").exits(0);
    assert_eq!(p.states(), ANSWERED);
    // In its tracked folder ours stay.
    p.sh("git otto hooks uninstall --yes; git otto hooks install --tracked --yes; husky").exits(0);
    assert_eq!(p.states(), ANSWERED);
    p.sh("git add .; git commit -qm 'Ours as well'").exits(0);
    p.both_are_called();
}
