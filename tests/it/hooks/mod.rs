//! Hooks: installed beside what is there, called by git itself, and refusing what they have to.

mod install;
mod managers;
mod people;
mod program;
mod pushes;
mod ways_around;

use std::{ffi::OsString, path::Path, process::Command};

use git_otto::{
    base::{Env, World, json},
    git::Repo,
    spec::{self, model::Spec},
    store::{
        Store,
        record::{self, By, Content, Kind, NewRecord},
    },
};

use super::support::{Output, Sandbox};

/// The spec of these tests.
const INTENT: &str = "# Word\n\nA word in a file.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: prints.\n\n\
                      ## Slice `word`\n\n**R1** It is there.\n\nOwns: `word.txt`.\n\nCheck: `cat word.txt` prints `word`.\n\nFile `word.txt`:\n\n```\nword\n```\n";
/// Where its copy stands.
const COPY: &str = ".otto/specs/word.json";

/// People who share a repository, with the program on everybody's PATH.
struct Team {
    s: Sandbox,
}

impl Team {
    /// One person, in `repo`: the spec `word` in two approved versions, the copy of the newer one on `main`.
    fn new() -> Team {
        let t = Team { s: Sandbox::new() };
        t.s.git(&["config", "--global", "otto.fsync", "false"]);
        t.s.git(&["config", "--global", "advice.ignoredHook", "false"]);
        t.s.write("word.md", INTENT);
        t.otto("repo", &["compile", "-q", "../word.md"]).exits(0);
        t.otto("repo", &["approve", "-q", "--yes", "word"]).exits(0);
        t.amend("It is there, alone.");
        t.s.commit("The spec", &[(COPY, &t.version(0)), ("a.txt", "a\n")]);
        t
    }

    /// The same with the client hooks in place.
    fn hooked() -> Team {
        let t = Team::new();
        t.otto("repo", &["hooks", "install", "--yes"]).exits(0);
        t
    }

    /// The copy of a version, counted back from the newest.
    fn version(&self, back: usize) -> String {
        let shown = self.otto("repo", &["show", "--json", &format!("word@{{{back}}}")]).exits(0).json();
        shown["spec_json"].as_str().unwrap().to_owned()
    }

    /// A copy that is of no version.
    fn edited(&self) -> String {
        self.version(0).replace("alone", "not alone")
    }

    /// Another text for the requirement, as an amendment.
    fn amend(&self, text: &str) {
        let env = Env { cwd: "/".into(), ..Env::default() };
        let store = Store::new(self.open(), World::real(env).unwrap());
        let id = "word".parse().unwrap();
        let tip = record::tip(&store.repo, &id).unwrap();
        let stored = record::load(&store.repo, tip.unwrap()).unwrap();
        let mut spec: Spec = json::read(&stored.spec_bytes, json::Limits::RECORD).unwrap();
        spec.requirements[0].text = text.into();
        let content = Content { spec: &spec::write(&spec), files: &stored.files };
        let new = NewRecord {
            kind: Kind::Amend,
            by: By::User,
            title: &spec.title,
            reason: "Said better.",
            trigger: None,
            tier: Some(2),
            content: Some(content),
            cost: None,
            merges: None,
        };
        record::append(&store, &id, new, tip).unwrap();
    }

    /// The repository through the library, with a user.
    fn open(&self) -> Repo {
        let mut env = Env { cwd: self.s.repo(), home: Some(self.s.path("home")), ..Env::default() };
        env.vars.extend([("HOME".into(), self.s.path("home").into()), ("PATH".into(), self.on_path())]);
        env.git.insert("GIT_CONFIG_NOSYSTEM".into(), "1".into());
        Repo::discover(&env).unwrap()
    }

    /// PATH with the program.
    fn on_path(&self) -> OsString {
        let program = Path::new(env!("CARGO_BIN_EXE_git-otto")).parent().unwrap();
        let all = std::env::var_os("PATH").unwrap();
        std::env::join_paths([program.to_owned()].into_iter().chain(std::env::split_paths(&all))).unwrap()
    }

    /// Any program, with the program on its PATH.
    fn command(&self, program: &str, dir: &str, args: &[&str]) -> Command {
        let mut command = self.s.command(program, dir);
        command.args(args).env("PATH", self.on_path());
        command
    }

    /// git, in a folder of the sandbox.
    fn git(&self, dir: &str, args: &[&str]) -> Output {
        self.s.spawn(&mut self.command("git", dir, args), None).wait()
    }

    /// The program, in a folder of the sandbox.
    fn otto(&self, dir: &str, args: &[&str]) -> Output {
        self.s.spawn(&mut self.command(env!("CARGO_BIN_EXE_git-otto"), dir, args), None).wait()
    }

    /// A script of the shell, with further variables.
    fn sh(&self, dir: &str, script: &str, vars: &[(&str, &str)]) -> Output {
        let mut command = self.command("sh", dir, &["-ec", script]);
        self.s.spawn(command.envs(vars.iter().copied()), None).wait()
    }

    /// A server in `server.git`, with the hooks of one, and everything of `repo` pushed to it as `origin`.
    fn server(&self) {
        self.s.git(&["init", "-q", "--bare", "-b", "main", "../server.git"]);
        self.s.git_in("server.git", &["config", "receive.autogc", "false"]);
        self.otto("server.git", &["hooks", "install", "--server", "--yes"]).exits(0);
        self.s.git(&["remote", "add", "origin", "../server.git"]);
        let ours =
            ["refs/heads/*", "refs/otto/specs/*", "refs/otto/runs/*", "refs/otto/slices/*", "refs/otto/targets/*"];
        let more = ["refs/otto/evidence/*", "refs/notes/otto/*"];
        let specs: Vec<String> = ours.iter().chain(&more).map(|r| format!("{r}:{r}")).collect();
        let args: Vec<&str> =
            ["push", "-q", "--atomic", "origin"].into_iter().chain(specs.iter().map(String::as_str)).collect();
        self.git("repo", &args).exits(0);
        self.git("repo", &["fetch", "-q"]).exits(0);
    }
}

/// Whether git takes hooks from its configuration, so that no file of anybody's is touched (2.54).
fn configured() -> bool {
    let said = Command::new("git").arg("version").output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    let mut numbers = said.split_whitespace().nth(2).unwrap().split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(2), Some(54))
}

/// What `status --json` says of each hook.
fn states(t: &Team, dir: &str) -> Vec<(String, String)> {
    let said = t.otto(dir, &["hooks", "status", "--json"]).exits(0).json();
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    said["hooks"].as_array().unwrap().iter().map(|h| (text(&h["name"]), text(&h["state"]))).collect()
}

/// All hooks of people answer.
#[track_caller]
fn all_answer(t: &Team, dir: &str) {
    let all = ["pre-commit", "pre-merge-commit", "pre-push", "reference-transaction"];
    assert_eq!(states(t, dir), all.map(|name| (name.to_owned(), "answered".to_owned())));
}
