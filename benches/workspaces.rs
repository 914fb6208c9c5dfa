//! Workspaces beside `git worktree add`, in one run: whole ones, one that is turned into another commit's, and ones of the
//! few paths that are needed.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and stops where anything fails")]

#[allow(dead_code, reason = "every bench uses a part of it")]
mod bench;

use std::{fmt::Write as _, fs, time::Instant};

use bench::git;
use git_otto::{
    base::{Env, Oid, Sha256, World, files},
    git::{Part, Repo},
    workspace::{Attempt, Workspace, clean_checkout, clean_checkout_of},
};

/// Files that differ between one commit and the next.
const CHANGED: usize = 5;

fn main() {
    let rounds = std::env::var("OTTO_BENCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    for (size, sparse) in [(10_000, 0.07), (100_000, 0.01)] {
        bench::head(&format!("Workspaces of {size} files, medians of {rounds} rounds"));
        measure(rounds, size, sparse);
    }
}

fn measure(rounds: usize, size: usize, sparse: f64) {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("repo");
    fs::create_dir(&at).unwrap();
    git(&at, &["init", "-q", "-b", "main", "."], None);
    git(&at, &["fast-import", "--quiet"], Some(&history(size)));
    let commit = |name: &str| -> Oid { git(&at, &["rev-parse", name], None).parse().unwrap() };
    let (old, new) = (commit("main~1"), commit("main"));
    let repo = Repo::open(&at).unwrap();
    let world = World::real(Env { cwd: at.clone(), ..Env::default() }).unwrap();
    let trees = [old, new].map(|c| repo.read_commit(c).unwrap().tree);
    let root = dir.path().join("workspaces");
    let of = Attempt { slice: "one".parse().unwrap(), r#gen: Sha256::of("one"), n: 1 };
    let part = Part::of(["src/d1/".to_owned(), "src/d2/f2.txt".to_owned()]);

    let kept = clean_checkout(&repo, &world, &root, "kept", trees[0]).unwrap();
    let mut look = kept.look().unwrap().unwrap();
    let mut samples = [const { Vec::new() }; 4];
    for round in 0..=rounds {
        let [from, to] = if round % 2 == 0 { trees } else { [trees[1], trees[0]] };
        let mut took = Vec::new();
        let mut time = |call: &mut dyn FnMut()| {
            let begun = Instant::now();
            call();
            took.push(begun.elapsed());
        };
        time(&mut || drop(git(&at, &["worktree", "add", "-q", "--detach", "../rival", "main"], None)));
        let mut made = None;
        time(&mut || made = Some(Workspace::create(&repo, &world, &root, &of, new, trees[1]).unwrap()));
        time(&mut || {
            assert!(kept.still_looks_like(&look) && kept.turn(&repo, from, to, None).unwrap());
            look = kept.look().unwrap().unwrap();
        });
        let mut few = None;
        time(&mut || few = Some(clean_checkout_of(&repo, &world, &root, "few", to, Some(&part)).unwrap()));
        // The first round only warms the caches.
        if round > 0 {
            samples.iter_mut().zip(took).for_each(|(all, took)| all.push(took));
        }
        git(&at, &["worktree", "remove", "--force", "../rival"], None);
        let home = made.unwrap().dir().parent().unwrap().to_owned();
        files::remove_tree(&home).unwrap();
        assert!(few.unwrap().dir().join("src/d2/f2.txt").is_file(), "what was measured is what is needed");
    }
    let [rival, whole, turned, few] = samples.map(bench::median);
    let unit = "worktree";
    bench::row("git worktree add", rival, rival, unit, None);
    bench::row("workspace of all files", whole, rival, unit, Some(1.05));
    bench::row(&format!("kept checkout turned, {CHANGED} files changed"), turned, rival, unit, Some(0.15));
    bench::row("checkout of what a check needs", few, rival, unit, Some(sparse));
}

/// Two commits of so many files, in packs as after a clone.
fn history(size: usize) -> String {
    let mut stream = String::new();
    let commit = |stream: &mut String, message: &str| {
        let len = message.len();
        write!(stream, "commit refs/heads/main\ncommitter a <a@b> 1700000000 +0000\ndata {len}\n{message}\n").unwrap();
    };
    let file = |stream: &mut String, path: &str, content: &str| {
        write!(stream, "M 100644 inline {path}\ndata {}\n{content}\n", content.len()).unwrap();
    };
    commit(&mut stream, "one");
    // Folders of at most 100 files each, as projects have them.
    let path = |i: usize| format!("src/d{}/f{i}.txt", i % (size / 100));
    (0..size).for_each(|i| file(&mut stream, &path(i), &format!("{i}\n").repeat(i % 200 + 1)));
    commit(&mut stream, "two");
    (0..CHANGED).for_each(|i| file(&mut stream, &path(i * 7), "changed\n"));
    stream
}
