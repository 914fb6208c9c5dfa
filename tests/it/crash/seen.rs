//! What is known of a repository from outside, and must stay true whatever dies: where its refs were, what was said to be
//! done, and chains that are computed here from git's own output.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use git_otto::base::Sha256;
use serde_json::Value;

use crate::support::{Output, Sandbox};

/// Refs that only go forward.
const FORWARD: [&str; 5] =
    ["refs/otto/specs/", "refs/otto/targets/", "refs/otto/evidence/", "refs/notes/otto/", "refs/heads/otto/"];
/// Refs that never move.
const FIXED: [&str; 2] = ["refs/otto/runs/", "refs/otto/slices/"];

/// What was seen so far.
#[derive(Default)]
pub struct Seen {
    tips: BTreeMap<String, String>,
    /// Events that a process said to have written.
    acked: BTreeSet<String>,
}

impl Seen {
    /// Looks at what a process said and at what it left: nothing that was there is gone.
    pub fn look(&mut self, s: &Sandbox, out: &Output) {
        // A line that the death cut in two says nothing.
        let said = out.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        self.acked.extend(said.filter(|v| v["seq"].is_u64()).filter_map(|v| Some(v["id"].as_str()?.to_owned())));
        let listed =
            s.git(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/otto", "refs/notes", "refs/heads"]);
        let now: BTreeMap<String, String> =
            listed.lines().filter_map(|l| l.split_once(' ')).map(|(n, o)| (n.into(), o.into())).collect();
        for (name, old) in &self.tips {
            let of = |group: &[&str]| group.iter().any(|prefix| name.starts_with(prefix));
            let new = now.get(name);
            if of(&FIXED) {
                assert_eq!(new, Some(old), "{name} never moves");
            } else if of(&FORWARD) && new != Some(old) {
                let new = new.unwrap_or_else(|| panic!("{name} is gone, which was at {old}"));
                let forward = s.try_git("repo", &["merge-base", "--is-ancestor", old, new]);
                assert_eq!(forward.code, 0, "{name} went from {old} to {new}, which does not contain it");
            }
        }
        self.tips = now;
    }

    /// What was acknowledged is there, each event once, and all chains are what they say.
    pub fn hold(&self, s: &Sandbox) {
        let mut ids = BTreeSet::new();
        for event in events(s) {
            assert!(ids.insert(event["id"].as_str().unwrap().to_owned()), "twice: {event}");
        }
        let lost: Vec<_> = self.acked.difference(&ids).collect();
        assert!(lost.is_empty(), "said to be written, and gone: {lost:?}");
        let specs = s.git(&["for-each-ref", "--format=%(refname)", "refs/otto/specs"]);
        specs.lines().for_each(|spec| chain(s, spec));
    }
}

/// Everything that journals tell, in the order of each writer, whose lines follow from each other.
pub fn events(s: &Sandbox) -> Vec<Value> {
    let mut out = Vec::new();
    for journal in s.git(&["for-each-ref", "--format=%(refname)", "refs/notes/otto"]).lines() {
        let mut lines = BTreeMap::new();
        for note in s.git(&["notes", "--ref", journal, "list"]).lines() {
            let text = s.git(&["cat-file", "blob", note.split(' ').next().unwrap()]);
            for line in text.lines() {
                let event = serde_json::from_str::<Value>(line).ok().filter(|v| v["seq"].is_u64());
                if let Some(event) = event {
                    let before = lines.insert(event["seq"].as_u64().unwrap(), (line.to_owned(), event));
                    assert!(before.is_none(), "{journal} has {line} twice");
                }
            }
        }
        let mut prev = None;
        for (n, (seq, (line, event))) in lines.into_iter().enumerate() {
            assert_eq!(seq, n as u64 + 1, "{journal} lacks a line");
            if let Some(prev) = prev.replace(format!("sha256:{}", Sha256::of(&line))) {
                assert_eq!(event["prev"], prev, "{journal}, line {seq}");
            }
            out.push(event);
        }
    }
    out
}

/// Computes the chain of a spec's records from the root on, from what git gives where nothing is replaced.
fn chain(s: &Sandbox, spec: &str) {
    let git = |args: &[&str]| s.git(&[&["--no-replace-objects"], args].concat());
    let mut chains = BTreeMap::new();
    for commit in git(&["rev-list", "--topo-order", "--reverse", "--parents", spec]).lines() {
        let mut ids = commit.split(' ');
        let commit = ids.next().unwrap();
        let mut text = "otto-chain/1\n".to_owned();
        ids.for_each(|parent| text += &format!("{}\n", chains[parent]));
        for entry in git(&["ls-tree", "-r", commit]).lines().filter(|e| !e.ends_with("\trecord.json")) {
            let (meta, path) = entry.split_once('\t').unwrap();
            let [mode, _, blob] = meta.split(' ').collect::<Vec<_>>()[..] else { panic!("{entry}") };
            let bytes = s.try_git("repo", &["--no-replace-objects", "cat-file", "blob", blob]).exits(0).stdout;
            text += &format!("{mode} {path}\0{}\n", Sha256::of(bytes));
        }
        let record = s.try_git("repo", &["--no-replace-objects", "cat-file", "blob", &format!("{commit}:record.json")]);
        let record = record.exits(0).stdout;
        let says = serde_json::from_str::<Value>(&record).unwrap()["chain"].as_str().unwrap().to_owned();
        text += &record.replacen(&says, "", 1);
        assert_eq!(Sha256::of(text).to_string(), says, "the chain at {commit} of {spec}");
        chains.insert(commit.to_owned(), says);
    }
}

/// No process works below the sandbox, or was started with a path of it.
pub fn nobody_is_left(s: &Sandbox) {
    let root = s.path("");
    let here = |pid: &PathBuf| {
        let works = fs::read_link(pid.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&root));
        let named = fs::read(pid.join("cmdline")).unwrap_or_default();
        works || String::from_utf8_lossy(&named).contains(root.to_str().unwrap())
    };
    let stat = |pid: &PathBuf| fs::read_to_string(pid.join("stat")).unwrap_or_default();
    let ends = |pid: &PathBuf| stat(pid).rsplit(')').next().unwrap_or_default().trim_start().starts_with(['Z', 'X']);
    let living: Vec<String> = (fs::read_dir("/proc").into_iter().flatten().flatten().map(|e| e.path()))
        .filter(|pid| here(pid) && !ends(pid))
        .map(|pid| stat(&pid))
        .collect();
    assert_eq!(living, Vec::<String>::new(), "processes that live on");
}
