//! The examples for CI in `docs/ci`: their shell lines are taken out of the files and run, as a forge would run them.

use std::{fs, path::Path};

use crate::support::{EXAMPLE, Output, Sandbox};

/// The file of an example.
fn example(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci").join(name)).unwrap()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The block of text (`|`) that a line opens: what is indented deeper, without that.
fn block(lines: &[&str]) -> String {
    let (head, rest) = lines.split_first().unwrap();
    assert!(head.ends_with('|'), "{head}");
    let inner: Vec<&&str> = rest.iter().take_while(|l| l.trim().is_empty() || indent(l) > indent(head)).collect();
    let cut = inner.iter().filter(|l| !l.trim().is_empty()).map(|l| indent(l)).min().unwrap();
    let text: String = inner.iter().map(|l| format!("{}\n", l.get(cut..).unwrap_or_default())).collect();
    // Blank lines at its end are no part of it.
    text.trim_end().to_owned() + "\n"
}

/// What a step of the workflow for GitHub runs.
fn step(yaml: &str, name: &str) -> String {
    let lines: Vec<&str> = yaml.lines().collect();
    let at = lines.iter().position(|l| l.trim() == format!("- name: {name}")).expect(name);
    let run = at + lines[at..].iter().position(|l| l.trim_start().starts_with("run:")).unwrap();
    block(&lines[run..])
}

/// What the job for GitLab runs.
fn script(yaml: &str) -> String {
    let lines: Vec<&str> = yaml.lines().collect();
    let at = lines.iter().position(|l| *l == "  script:").unwrap();
    let mut out = String::new();
    for (n, line) in lines.iter().enumerate().skip(at + 1) {
        match line.strip_prefix("    - ") {
            Some("|") => out += &block(&lines[n..]),
            Some(command) => out += &format!("{command}\n"),
            None => {}
        }
    }
    out
}

/// The same by a real parser, where there is one.
fn parsed(s: &Sandbox, file: &str, expression: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci").join(file);
    let program = format!("import sys, yaml\nd = yaml.safe_load(open(sys.argv[1]))\nsys.stdout.write({expression})\n");
    let out = s.spawn(s.command("python3", ".").args(["-c", &program]).arg(path), None).wait();
    (out.code == 0 || !out.stderr.contains("No module named 'yaml'")).then(|| out.exits(0).stdout)
}

#[test]
fn the_lines_that_are_run_are_those_of_the_files() {
    let s = Sandbox::new();
    let github = example("github-actions.yml");
    let both = step(&github, "Fetch the specs") + &step(&github, "Verify");
    let run =
        "''.join(s['run'] for s in d['jobs']['specs']['steps'] if s.get('name') in ('Fetch the specs', 'Verify'))";
    if let Some(parsed) = parsed(&s, "github-actions.yml", run) {
        assert_eq!(parsed, both);
    }
    let lines = "''.join(l if l.endswith('\\n') else l + '\\n' for l in d['specs']['script'])";
    if let Some(parsed) = parsed(&s, "gitlab-ci.yml", lines) {
        assert_eq!(parsed, script(&example("gitlab-ci.yml")));
    }
}

/// A forge with the spec `jot` and its copy on `main`, and a checkout of CI.
struct Forge {
    s: Sandbox,
}

impl Forge {
    fn new() -> Forge {
        let s = Sandbox::new();
        s.git_in(".", &["init", "-q", "--bare", "-b", "main", "forge.git"]);
        s.git(&["remote", "add", "origin", "../forge.git"]);
        s.write("jot.md", EXAMPLE);
        s.otto(&["compile", "../jot.md"]).exits(0);
        s.otto(&["approve", "jot", "--yes"]).exits(0);
        fs::create_dir_all(s.path("repo/.otto/specs")).unwrap();
        fs::write(s.path("repo/.otto/specs/jot.json"), s.git(&["show", "refs/otto/specs/jot:spec.json"]) + "\n")
            .unwrap();
        s.git(&["add", ".otto"]);
        s.git(&["commit", "-q", "-m", "Show the spec"]);
        s.git(&["push", "-q", "origin", "main", "refs/otto/*:refs/otto/*"]);
        Forge { s }
    }

    /// A commit on a branch from `main`: with an edited copy, or with something else. Pushed to `refs`.
    fn commit(&self, name: &str, edited: bool, to: &str) -> String {
        let s = &self.s;
        s.git(&["checkout", "-q", "-B", name, "main"]);
        let copy = s.path("repo/.otto/specs/jot.json");
        if edited {
            fs::write(&copy, fs::read_to_string(&copy).unwrap().replacen("\"title\": \"", "\"title\": \"No ", 1))
                .unwrap();
        }
        s.write(&format!("repo/{name}"), name);
        s.git(&["add", "-A"]);
        s.git(&["commit", "-q", "-m", name]);
        s.git(&["push", "-q", "-f", "origin", &format!("HEAD:{to}")]);
        let commit = s.git(&["rev-parse", "HEAD"]);
        s.git(&["checkout", "-q", "main"]);
        commit
    }

    /// Runs lines as a forge does: in a fresh clone, these variables set, stopping at the first error.
    fn run(&self, shell: &[&str], lines: &str, vars: &[(&str, &str)]) -> Output {
        let s = &self.s;
        let _ = fs::remove_dir_all(s.path("ci"));
        s.git_in(".", &["clone", "-q", "forge.git", "ci"]);
        let bin = Path::new(env!("CARGO_BIN_EXE_git-otto")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut command = s.command(shell[0], "ci");
        command.args(&shell[1..]).args(["-c", lines]).env("PATH", path).envs(vars.iter().copied());
        s.spawn(&mut command, None).wait()
    }

    fn main(&self) -> String {
        self.s.git(&["rev-parse", "main"])
    }
}

/// As GitHub and GitLab start their lines.
const BASH: [&str; 2] = ["bash", "-e"];
const STRICT: [&str; 4] = ["bash", "-e", "-o", "pipefail"];
const NOTHING: &str = "0000000000000000000000000000000000000000";
const GONE: &str = "1111111111111111111111111111111111111111";

#[test]
fn the_job_for_github_refuses_edits_however_they_come() {
    let forge = Forge::new();
    let yaml = example("github-actions.yml");
    let lines = step(&yaml, "Fetch the specs") + &step(&yaml, "Verify");
    let run = |vars: &[(&str, &str)]| forge.run(&BASH, &lines, &[&[("DEFAULT_BRANCH", "main")], vars].concat());
    let main = forge.main();
    for (edited, code) in [(false, 0), (true, 8)] {
        let pushed = forge.commit("topic", edited, "refs/heads/topic");
        run(&[("PUSHED_FROM", &main), ("PUSHED", &pushed), ("BRANCH", "topic")]).exits(code);
        run(&[("PUSHED_FROM", NOTHING), ("PUSHED", &pushed), ("BRANCH", "topic")]).exits(code);
        run(&[("PUSHED_FROM", GONE), ("PUSHED", &pushed), ("BRANCH", "topic")]).exits(code);
        run(&[("QUEUE_BASE", &main), ("QUEUE_HEAD", &pushed), ("BRANCH", "gh-readonly-queue/main/pr-7")]).exits(code);
        // The branch of a fork: the forge has its commits below another name.
        let asked = forge.commit("fork", edited, "refs/pull/7/head");
        let pull = [("PULL_NUMBER", "7"), ("PULL_BASE", &*main), ("PULL_HEAD", &*asked), ("BRANCH", "main")];
        let out = run(&pull).exits(code);
        assert!(!edited || out.stderr.contains("git otto amend jot"), "{out:?}");
    }
    run(&[("PUSHED_FROM", NOTHING), ("PUSHED", &main), ("BRANCH", "main")]).exits(0);
    run(&[("BRANCH", "main")]).exits(0);
}

#[test]
fn the_job_for_gitlab_refuses_edits_however_they_come() {
    let forge = Forge::new();
    let lines = script(&example("gitlab-ci.yml"));
    let run = |vars: &[(&str, &str)]| forge.run(&STRICT, &lines, &[&[("CI_DEFAULT_BRANCH", "main")], vars].concat());
    let main = forge.main();
    for (edited, code) in [(false, 0), (true, 8)] {
        let pushed = forge.commit("topic", edited, "refs/heads/topic");
        let push = [("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_BRANCH", "topic"), ("CI_COMMIT_SHA", &*pushed)];
        for before in [&*main, NOTHING, GONE] {
            run(&[&push[..], &[("CI_COMMIT_BEFORE_SHA", before)]].concat()).exits(code);
        }
        let request = [("CI_PIPELINE_SOURCE", "merge_request_event"), ("CI_COMMIT_SHA", &*pushed)];
        let more = [("CI_COMMIT_BEFORE_SHA", NOTHING), ("CI_MERGE_REQUEST_DIFF_BASE_SHA", &*main)];
        run(&[request, more].concat()).exits(code);
        let train = [("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", &*main), ("CI_MERGE_REQUEST_DIFF_BASE_SHA", GONE)];
        run(&[request, train].concat()).exits(code);
    }
    let first = [("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_BRANCH", "main"), ("CI_COMMIT_BEFORE_SHA", NOTHING)];
    run(&[&first[..], &[("CI_COMMIT_SHA", &*main)]].concat()).exits(0);
    run(&[("CI_PIPELINE_SOURCE", "schedule"), ("CI_COMMIT_BRANCH", "main"), ("CI_COMMIT_SHA", &*main)]).exits(0);
}

#[test]
fn a_history_that_was_replaced_is_told_by_the_branch_that_remembers_it() {
    let forge = Forge::new();
    let s = &forge.s;
    let anchors = s.git(&["for-each-ref", "--format=%(objectname) %(refname)", "refs/otto/specs/"]) + "\n";
    s.commit("Anchor the specs", &[(".otto/anchors", &anchors)]);
    s.git(&["push", "-q", "origin", "main"]);
    let main = forge.main();
    let yaml = example("github-actions.yml");
    let github = step(&yaml, "Fetch the specs") + &step(&yaml, "Verify");
    let gitlab = script(&example("gitlab-ci.yml"));
    let all = |code: i32| {
        let out = forge.run(&BASH, &github, &[("DEFAULT_BRANCH", "main"), ("BRANCH", "main")]).exits(code);
        let vars = [("CI_DEFAULT_BRANCH", "main"), ("CI_PIPELINE_SOURCE", "schedule"), ("CI_COMMIT_SHA", &*main)];
        out.stderr + &forge.run(&STRICT, &gitlab, &vars).exits(code).stderr
    };
    all(0);
    // Another history of the same spec that holds in itself.
    s.write("other/jot.md", EXAMPLE);
    s.git_in("other", &["init", "-q"]);
    s.git_in("other", &["config", "user.name", "Somebody Else"]);
    s.otto_in("other", &["compile", "jot.md"]).exits(0);
    s.otto_in("other", &["approve", "jot", "--yes"]).exits(0);
    s.otto_in("other", &["verify", "--all"]).exits(0);
    s.git_in("other", &["push", "-q", "-f", "../forge.git", "refs/otto/specs/jot"]);
    let told = all(8);
    let words = "refs/otto/specs/jot does not hold";
    assert_eq!(told.matches(words).count(), 2, "{told}");
}
