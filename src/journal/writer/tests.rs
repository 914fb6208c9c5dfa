use std::{collections::BTreeSet, thread};

use super::*;
use crate::{
    base::{Env, World},
    git::{Mode, testing::Scratch},
    journal::{
        event::{Cost, Finding, Kind, Verdict},
        read,
    },
};

struct Bench {
    scratch: Scratch,
    store: Store,
    run: RunId,
    anchor: Oid,
}

impl Bench {
    fn new() -> Bench {
        Self::with(&[])
    }

    fn with(flags: &[&str]) -> Bench {
        let scratch = Scratch::with(flags);
        let anchor = scratch.commit(scratch.tree(&[("run.json", "{}\n")]), &[], "A run\n");
        let run: RunId = "jot-20240102t030405z-0a1b2c".parse().unwrap();
        scratch.git(&["update-ref", &names::run(&run), &anchor.to_string()]);
        let store = Store::new(scratch.repo.clone(), World::real(Env::default()).unwrap());
        Bench { scratch, store, run, anchor }
    }

    fn writer(&self) -> Writer {
        Writer::open(&self.store, &self.run, self.anchor, 0).unwrap()
    }

    fn read(&self) -> crate::journal::Replayed {
        read(&self.scratch.repo, &self.run, self.anchor).unwrap()
    }

    /// The events, with nothing to complain about.
    fn events(&self) -> Vec<Event> {
        let found = self.read();
        assert_eq!((found.faults, found.state.problems), (vec![], Vec::<String>::new()));
        found.events
    }

    fn git(&self, args: &[&str]) -> String {
        self.scratch.git(args)
    }

    fn fsck(&self) {
        let said = self.git(&["fsck", "--full", "--strict"]);
        assert!(!said.contains("error") && !said.contains("missing"), "{said}");
    }
}

fn resumed(n: usize) -> Fact {
    Fact::run(Kind::RunResumed { reason: format!("time {n}"), term: 0 })
}

fn batch(from: usize, n: usize) -> Vec<Fact> {
    (from..from + n).map(resumed).collect()
}

#[test]
fn what_is_appended_is_read_back_and_git_shows_it() {
    for flags in [&[][..], &["--object-format=sha256"]] {
        let b = Bench::with(flags);
        assert_eq!(b.events(), []);
        let mut w = b.writer();
        assert_eq!(w.append(&[]).unwrap(), []);
        assert_eq!(b.git(&["for-each-ref", "refs/notes"]), "");
        let mut told = w.append(&batch(0, 3)).unwrap();
        told.extend(w.append(&batch(3, 1)).unwrap());
        assert_eq!(b.events(), told);
        assert_eq!(b.read().state.resumes, 4);
        assert_eq!(told.iter().map(|e| (e.seq, e.lamport)).collect::<Vec<_>>(), [(1, 1), (2, 2), (3, 3), (4, 4)]);
        let short = w.name.strip_prefix("refs/notes/").unwrap();
        let shown = b.git(&["notes", "--ref", short, "show", &b.anchor.to_string()]);
        let lines: Vec<String> = told.iter().map(|e| crate::journal::line::encode(e).unwrap()).collect();
        assert_eq!(shown, lines.join("\n"));
        let log = b.git(&["log", "-1", "--notes=otto/*", &b.anchor.to_string()]);
        assert!(log.contains("\"reason\":\"time 3\""), "{log}");
        // One commit a batch; the first names the anchor.
        assert_eq!(b.git(&["log", "-2", "--first-parent", "--format=%an", &w.name]), "git otto\ngit otto");
        assert_eq!(b.git(&["rev-parse", &format!("{}~1^1", w.name)]), b.anchor.to_string());
        b.fsck();
    }
}

#[test]
fn segments_and_receipts_survive_gc_and_prune_and_git_reads_them_all() {
    let b = Bench::new();
    let mut w = b.writer();
    let mut told = w.append(&batch(0, 1000)).unwrap();
    let landed = b.scratch.commit(b.scratch.tree(&[("a", "a\n")]), &[], "A landing that no branch has\n");
    w.note(landed, "Landed `add`.\n\n{\"receipt\":1}").unwrap();
    w.note(landed, "Landed `add`.\n\n{\"receipt\":1}").unwrap();
    for n in 0..30 {
        told.extend(w.append(&batch(1000 + n * 17, 17)).unwrap());
    }
    assert_eq!(w.now.segments.len(), 1510_usize.div_ceil(SEGMENT_EVENTS) - 1);
    let short = w.name.strip_prefix("refs/notes/").unwrap().to_owned();
    for round in 0..2 {
        assert_eq!(b.events(), told);
        let receipts = b.read().receipts;
        assert_eq!(receipts.iter().map(|r| (r.commit, r.writer.as_str())).collect::<Vec<_>>(), [(landed, w.id())]);
        let listed = b.git(&["notes", "--ref", &short, "list"]);
        assert_eq!(listed.lines().count(), w.now.segments.len() + 2);
        assert_eq!(b.git(&["notes", "--ref", &short, "show", &landed.to_string()]), "Landed `add`.\n\n{\"receipt\":1}");
        let log = b.git(&["log", "-1", "--notes=otto/*", &landed.to_string()]);
        assert!(log.contains("    Landed `add`."), "{log}");
        for segment in &w.now.segments {
            b.git(&["cat-file", "-e", &segment.to_string()]);
        }
        if round == 0 {
            b.git(&["reflog", "expire", "--expire=now", "--all"]);
            b.git(&["gc", "-q", "--prune=now"]);
            let before = b.git(&["rev-parse", &w.name]);
            b.git(&["notes", "--ref", &short, "prune"]);
            assert_eq!(b.git(&["rev-parse", &w.name]), before, "prune had nothing to remove");
        }
    }
    b.fsck();
    let segment = w.now.segments[0];
    assert!(matches!(w.note(segment, "x"), Err(Error::OwnCommit(_))));
    assert!(matches!(w.note(b.anchor, "x"), Err(Error::OwnCommit(_))));
    w.note(landed, "Seen again.").unwrap();
    let shown = b.git(&["notes", "--ref", &short, "show", &landed.to_string()]);
    assert_eq!(shown, "Landed `add`.\n\n{\"receipt\":1}\n\nSeen again.");
    told.extend(w.append(&batch(0, 1)).unwrap());
    assert_eq!(b.events(), told);
}

#[test]
fn the_tree_is_the_one_that_git_makes_however_many_notes_there_are() {
    let b = Bench::new();
    let empty = b.scratch.repo.empty_tree().unwrap();
    let git = ["notes", "--ref", "mine"];
    let blob = b.scratch.repo.write_blob(b"one\n").unwrap();
    let mut notes = Notes::default();
    let mut seen = BTreeSet::new();
    for n in 0..250 {
        let commit = b.scratch.commit(empty, &[], &format!("{n}\n"));
        let tree = notes.put(&b.scratch.repo, &[(commit, blob)]).unwrap();
        if [1, 30, 60, 80, 100, 249].contains(&n) {
            let at = format!("{tree}");
            let c = b.git(&["commit-tree", &at, "-m", "notes"]);
            b.git(&["update-ref", "refs/notes/mine", &c]);
            let listed = b.git(&[&git[..], &["list"]].concat());
            assert_eq!(listed.lines().count(), n + 1);
            // git writes the same tree when it has had to open all of it.
            let other = b.scratch.commit(empty, &[], "other\n");
            b.git(&[&git[..], &["add", "-m", "x", &other.to_string()]].concat());
            b.git(&[&git[..], &["remove", &other.to_string()]].concat());
            let files = b.git(&["ls-tree", "-r", "--name-only", "refs/notes/mine"]);
            assert_eq!(files, b.git(&["ls-tree", "-r", "--name-only", &at]), "{n} notes");
            seen.insert(files.lines().next().unwrap().matches('/').count());
        }
    }
    assert_eq!(seen, BTreeSet::from([0, 1]));
}

#[test]
fn eight_writers_at_once_lose_nothing() {
    let b = Bench::new();
    let (mut told, mut ids) = (Vec::new(), BTreeSet::new());
    thread::scope(|scope| {
        let all: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut w = b.writer();
                    let mine: Vec<_> = (0..50).flat_map(|n| w.append(&batch(n, 1)).unwrap()).collect();
                    (w.id().to_owned(), mine)
                })
            })
            .collect();
        for one in all {
            let (id, mine) = one.join().unwrap();
            ids.insert(id);
            told.extend(mine);
        }
    });
    assert_eq!(ids.len(), 8);
    told.sort_by(|a, b| (a.lamport, &a.id, a.seq).cmp(&(b.lamport, &b.id, b.seq)));
    let found = b.events();
    assert_eq!(found.len(), 400);
    assert_eq!(found, told);
    b.fsck();
}

#[test]
fn a_journal_that_somebody_else_moved_is_not_written() {
    let b = Bench::new();
    let mut w = b.writer();
    let told = w.append(&batch(0, 2)).unwrap();
    let first = b.git(&["rev-parse", &w.name]);
    w.append(&batch(2, 1)).unwrap();
    b.git(&["update-ref", &w.name, &first]);
    assert!(matches!(w.append(&batch(3, 1)), Err(Error::Moved { .. })));
    assert_eq!(b.events(), told);
}

#[test]
fn logical_time_follows_what_was_seen() {
    let b = Bench::new();
    let mut a = b.writer();
    a.append(&batch(0, 5)).unwrap();
    let mut c = Writer::open(&b.store, &b.run, b.anchor, b.read().state.lamport).unwrap();
    assert_eq!(c.append(&batch(0, 1)).unwrap()[0].lamport, 6);
    a.saw(6);
    a.saw(2);
    assert_eq!(a.append(&batch(0, 1)).unwrap()[0].lamport, 7);
    assert_eq!(b.events().iter().map(|e| e.lamport).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn secrets_are_redacted_before_they_are_hashed() {
    let b = Bench::new();
    let told = b.writer().append(&[Fact::run(Kind::RunPaused { reason: "API_KEY=abcdefghijklmnopqrst ü".into() })]);
    let wanted = Kind::RunPaused { reason: "API_KEY=[redacted] ü".into() };
    assert_eq!(told.unwrap()[0].fact.kind, wanted);
    assert_eq!(b.events()[0].fact.kind, wanted);
}

#[test]
fn a_line_that_would_be_too_long_is_cut_and_says_so() {
    let b = Bench::new();
    let mut w = b.writer();
    let long = "ü".repeat(1 << 20);
    let told = w.append(&[Fact::run(Kind::RunPaused { reason: long })]).unwrap();
    let Kind::RunPaused { reason } = &told[0].fact.kind else { panic!() };
    assert!(reason.ends_with("… [1997152 bytes left out]"), "{}", &reason[reason.len() - 60..]);
    let finding = Finding { about: "R1".into(), text: "x".repeat(300), cap: Verdict::Partial };
    let mut findings = vec![finding; 5_000];
    findings[4_999].cap = Verdict::Blocked;
    w.append(&[Fact::run(Kind::AuditStarted { round: 1, commit: b.anchor })]).unwrap();
    let told = w.append(&[Fact::run(Kind::AuditFinished { round: 1, verdict: Verdict::Blocked, findings })]).unwrap();
    let Kind::AuditFinished { findings, .. } = &told[0].fact.kind else { panic!() };
    let last = findings.last().unwrap();
    assert!(last.text.starts_with("… and ") && last.cap == Verdict::Blocked, "{last:?}");
    // What no reader would take is not written, and the journal goes on.
    let cost = Cost { usd_micros: 1 << 60, ..Cost::default() };
    let kind = Kind::AgentFinished { cost, duration_ms: 0, summary: String::new() };
    assert!(matches!(w.append(&[Fact::run(kind)]), Err(Error::Unwritable { .. })));
    w.append(&batch(0, 1)).unwrap();
    assert_eq!(b.events().len(), 4);
}

#[test]
fn large_lines_get_segments_of_their_own() {
    let b = Bench::new();
    let mut w = b.writer();
    let facts: Vec<_> = (0..5).map(|_| Fact::run(Kind::RunPaused { reason: "x".repeat(600_000) })).collect();
    w.append(&facts).unwrap();
    assert_eq!(w.now.segments.len(), 4);
    assert_eq!(b.events().len(), 5);
}

#[cfg(feature = "faults")]
#[test]
fn an_append_that_fails_is_done_or_not_and_the_journal_goes_on() {
    use crate::base::Faults;
    for (point, done) in [
        (Point::JournalAppendBeforeSwap, false),
        (Point::StoreSwapBefore, false),
        (Point::StoreSwapAfter, true),
        (Point::JournalAppendAfterSwap, true),
    ] {
        let b = Bench::new();
        let faults = Faults::parse(Some(&format!("{}:2:eio", point.name()))).unwrap();
        let store = Store::new(b.store.repo.clone(), World { faults: faults.into(), ..b.store.world.clone() });
        let mut w = Writer::open(&store, &b.run, b.anchor, 0).unwrap();
        w.append(&batch(0, 1)).unwrap();
        assert!(w.append(&batch(1, 1)).is_err(), "{}", point.name());
        w.append(&batch(2, 1)).unwrap();
        let reasons: Vec<_> = b.events().into_iter().map(|e| e.fact).collect();
        let wanted = if done { batch(0, 3) } else { vec![resumed(0), resumed(2)] };
        assert_eq!(reasons, wanted, "{}", point.name());
    }
}

/// A journal ref made by somebody else: notes with these contents on the anchor, in a tree of these paths.
fn forge(b: &Bench, writer: &str, files: &[(&str, &[u8])]) {
    let repo = &b.scratch.repo;
    let edits: Vec<_> =
        files.iter().map(|(p, t)| ((*p).into(), Some((Mode::Plain, repo.write_blob(t).unwrap())))).collect();
    let commit = b.scratch.commit(repo.write_tree(None, &edits).unwrap(), &[b.anchor], "forged\n");
    b.git(&["update-ref", &names::journal(&b.run, writer), &commit.to_string()]);
}

#[test]
fn what_is_no_journal_is_reported_and_the_others_are_read() {
    let b = Bench::new();
    let told = b.writer().append(&batch(0, 2)).unwrap();
    let anchor = b.anchor.to_string();
    let wide = format!("{}/{}", &anchor[..2], &anchor[2..]);
    let giant = vec![b'['; 3 << 20];
    for (files, why) in [
        (vec![(anchor.as_str(), &b"\xff\xfe\n"[..])], "not an event: not UTF-8"),
        (vec![(&anchor, b"a\0b\n")], "not an event"),
        (vec![(&anchor, b"{\"v\":1")], "torn"),
        (vec![(&anchor, &giant)], "at most 1048577 are read here"),
        (vec![("README", b"hello\n")], "\"README\" in its tree is no note"),
        (vec![(&anchor, b""), (&wide, b"")], "or the second one of its object"),
        (vec![("0123456789012345678901234567890123456789", b"x\n")], "not in the repository"),
    ] {
        forge(&b, "bad0", &files);
        let found = b.read();
        assert_eq!(found.events, told);
        assert_eq!(found.faults.len(), 1, "{:?}", found.faults);
        let said = found.faults[0].to_string();
        assert!(said.contains(why) && said.contains("writer bad0") && found.state.problems == [said.clone()], "{said}");
    }
    b.git(&["update-ref", &names::journal(&b.run, "bad0"), &b.git(&["hash-object", "-w", "--stdin"])]);
    assert!(b.read().faults[0].to_string().contains("not a commit"), "{:?}", b.read().faults);
    b.git(&["update-ref", "-d", &names::journal(&b.run, "bad0")]);
    let odd = format!("{}NOT-A-WRITER", names::journal_prefix(&b.run));
    b.git(&["update-ref", &odd, &anchor]);
    assert!(b.read().faults[0].to_string().contains("not named after a writer"));
}

#[test]
fn a_segment_that_is_gone_is_noticed() {
    let b = Bench::new();
    let mut w = b.writer();
    w.append(&batch(0, 700)).unwrap();
    let short = w.name.strip_prefix("refs/notes/").unwrap().to_owned();
    let whole = b.git(&["rev-parse", &w.name]);
    for (gone, good) in [(b.anchor, 0), (w.now.segments[0], 256)] {
        b.git(&["notes", "--ref", &short, "remove", &gone.to_string()]);
        let found = b.read();
        assert_eq!(found.events.len(), good);
        let said = found.state.problems.join("\n");
        assert!(said.contains("is gone") || said.contains("are gone"), "{said}");
        b.git(&["update-ref", &w.name, &whole]);
    }
    assert_eq!(b.events().len(), 700);
}
