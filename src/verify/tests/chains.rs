//! Histories made from a seed, and the tools of somebody who can write any object and any ref.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use crate::{
    base::{Oid, Sha256, SpecId},
    git::{BString, Mode, ObjectKind, Repo},
    spec::{
        self,
        model::{Spec, merge, tier},
    },
    store::{
        names,
        record::{self, By, Content, Kind, NewRecord, Record},
        testing::Fixture,
    },
    verify::{
        testing::{jot, small},
        tests::signed,
    },
};

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// A history, its records in the order in which the verifier names them: oldest first.
pub struct Chain {
    pub f: Fixture,
    pub id: SpecId,
    pub order: Vec<Oid>,
    saved: RefCell<Vec<(PathBuf, Option<Vec<u8>>)>>,
}

/// A history of a seed: every fifth in a SHA-256 repository, one signed and required to be.
pub fn generated(seed: u64) -> Chain {
    let format = if seed % 5 == 4 { "sha256" } else { "sha1" };
    let mut f = Fixture::with(&["init", "-q", "-b", "main", "--template=", "--object-format", format, "."]);
    if seed == 10 && signed::is_possible() {
        signed::sign_all(&f);
        f.store = f.again();
    }
    let mut chain = Chain::of(f);
    let rng = &mut Rng::new(seed);
    for step in 0..6 + rng.below(6) {
        // The approval comes early: there is more to tamper with after it.
        if step == 1 + seed % 2 {
            chain.put(Kind::Approve, None, By::User, None);
        } else if step == 6 && seed.is_multiple_of(3) {
            chain.merge(rng);
        } else {
            chain.next(rng);
        }
    }
    if seed % 4 == 1 {
        chain.put(Kind::Close, None, By::User, None);
    }
    chain.order = chain.ordered();
    chain
}

impl Chain {
    /// What there is of one in a repository.
    pub fn of(f: Fixture) -> Chain {
        Chain { f, id: jot(), order: Vec::new(), saved: RefCell::default() }
    }

    /// Remembers a file before it is tampered with.
    pub fn save(&self, path: &Path) {
        self.saved.borrow_mut().push((path.to_owned(), std::fs::read(path).ok()));
    }

    /// Remembers what says where the history ends.
    pub fn save_refs(&self) {
        let name = names::spec(&self.id);
        for file in [&name, &format!("logs/{name}"), "shallow"] {
            self.save(&self.f.dir.path().join(".git").join(file));
        }
    }

    /// Puts everything back that was remembered.
    pub fn restore(&self) {
        for (path, bytes) in self.saved.take().into_iter().rev() {
            let _ = std::fs::remove_file(&path);
            if let Some(bytes) = bytes {
                std::fs::write(path, bytes).unwrap();
            }
        }
        let _ = std::fs::remove_dir_all(self.f.dir.path().join(".git/refs/replace"));
    }

    /// As another process sees it.
    pub fn reopened(&self) -> Repo {
        self.f.again().repo
    }

    pub fn tip(&self) -> Oid {
        record::tip(&self.f.store.repo, &self.id).unwrap().unwrap()
    }

    /// Moves the ref as any program can that writes files; git and its hooks see nothing of it.
    pub fn set_tip(&self, tip: Oid) {
        std::fs::write(self.f.dir.path().join(".git").join(names::spec(&self.id)), format!("{tip}\n")).unwrap();
    }

    fn ordered(&self) -> Vec<Oid> {
        record::history(&self.f.store.repo, self.tip()).unwrap().into_iter().rev().map(|s| s.commit).collect()
    }

    pub fn record(&self, commit: Oid) -> Record {
        record::load(&self.f.store.repo, commit).unwrap().record
    }

    /// Appends a record of a kind that may stand there.
    pub fn next(&self, rng: &mut Rng) {
        let Some(tip) = record::tip(&self.f.store.repo, &self.id).unwrap() else {
            return self.put(Kind::Compile, Some(small("first")), By::User, None);
        };
        let now = record::load(&self.f.store.repo, tip).unwrap();
        let mut spec = spec::parse(&now.spec_bytes).unwrap();
        let n = rng.below(1_000_000);
        let draft = now.record.kind.phase() == record::Phase::Draft;
        match rng.below(5) {
            0 => spec.title = format!("Title {n}"),
            1 => spec.intent = format!("Keep notes, {n} of them."),
            2 => spec.slices[0].tasks.push(format!("Do {n}.")),
            _ => {
                let mut check = spec.slices[0].checks[0].clone();
                check.id = format!("more-{n}");
                spec.slices[0].checks.push(check);
                let by = By::Agent { provider: "claude".into(), model: "opus".into() };
                let (kind, trigger) = if draft { (Kind::Compile, None) } else { (Kind::Amend, Some("0a-1")) };
                return self.put(kind, Some(spec), by, trigger);
            }
        }
        let kind = match (draft, rng.below(4)) {
            (true, _) => Kind::Edit,
            (false, 0) => Kind::Retire,
            (false, _) => Kind::Amend,
        };
        self.put(kind, Some(spec), By::User, None);
    }

    fn put(&self, kind: Kind, spec: Option<Spec>, by: By, trigger: Option<&str>) {
        self.append(kind, spec, by, trigger, None);
    }

    fn append(&self, kind: Kind, spec: Option<Spec>, by: By, trigger: Option<&str>, merges: Option<(Oid, Oid)>) {
        self.f.advance(60);
        let tip = record::tip(&self.f.store.repo, &self.id).unwrap();
        let before = tip.map(|tip| record::load(&self.f.store.repo, tip).unwrap());
        let amends = matches!(kind, Kind::Amend | Kind::Retire);
        let tier = amends.then(|| {
            let before = spec::parse(&before.as_ref().unwrap().spec_bytes).unwrap();
            let author = tier::Author::User { override_intent: true };
            tier::judge(&before, spec.as_ref().unwrap(), author).unwrap().number()
        });
        let bytes = spec.as_ref().map(spec::write);
        // Files stay with a spec; which there are is the seed's.
        let file = self.id.as_str().as_bytes().to_vec();
        let files: BTreeMap<Sha256, Vec<u8>> = BTreeMap::from([(Sha256::of(&file), file)]);
        let new = NewRecord {
            kind,
            by,
            title: "Jot",
            reason: if amends { "It has to be." } else { "" },
            trigger,
            tier,
            content: bytes.as_deref().map(|spec| Content { spec, files: &files }),
            cost: None,
            merges,
        };
        record::append(&self.f.store, &self.id, new, tip).unwrap();
    }

    /// Two amendments of one version, joined.
    fn merge(&self, rng: &mut Rng) {
        let base = self.tip();
        let read = |at: Oid| spec::parse(&record::load(&self.f.store.repo, at).unwrap().spec_bytes).unwrap();
        let agreed = read(base);
        let change = |title: &str, task: Option<String>| {
            let mut spec = agreed.clone();
            spec.title = title.into();
            spec.slices[0].tasks.extend(task);
            self.put(Kind::Amend, Some(spec), By::User, None);
            self.tip()
        };
        let ours = change("Both", None);
        self.set_tip(base);
        let theirs = change(&agreed.title, Some(format!("Task {} of theirs.", rng.below(1000))));
        let both = merge::merge(&agreed, &read(ours), &read(theirs)).unwrap();
        self.append(Kind::Merge, Some(both), By::Otto, None, Some((ours, base)));
    }

    /// A place with one record before it and one after it, and no branch between them.
    pub fn linear(&self, rng: &mut Rng) -> usize {
        let parents = |at: usize| self.f.store.repo.read_commit(self.order[at]).unwrap().parents;
        let children = |at: usize| (0..self.order.len()).filter(|o| parents(*o).contains(&self.order[at])).count();
        let fits = |at: &usize| {
            let alone = |at: usize| parents(at) == [self.order[at - 1]];
            alone(*at) && alone(at + 1) && children(*at) == 1 && children(at - 1) == 1
        };
        let all: Vec<usize> = (1..self.order.len() - 1).filter(fits).collect();
        all[rng.below(all.len() as u64) as usize]
    }

    pub fn rev(&self, rev: &str) -> Oid {
        String::from_utf8(self.f.git(&["rev-parse", rev]).stdout).unwrap().trim().parse().unwrap()
    }

    pub fn tree(&self, commit: Oid) -> Oid {
        self.f.store.repo.read_commit(commit).unwrap().tree
    }

    pub fn commit_text(&self, commit: Oid) -> String {
        String::from_utf8(self.f.store.repo.raw_object(commit, 1 << 20).unwrap().1).unwrap()
    }

    /// The file of a loose object.
    pub fn loose(&self, id: Oid) -> PathBuf {
        let hex = id.to_string();
        self.f.dir.path().join(".git/objects").join(&hex[..2]).join(&hex[2..])
    }

    /// Writes any commit.
    pub fn forged(&self, text: &str) -> Oid {
        self.f.store.repo.forge(ObjectKind::Commit, text.as_bytes())
    }

    /// A record again, on other parents; `base` in it follows, and the text of `record.json` is changed.
    pub fn rewritten(&self, commit: Oid, parents: &HashMap<Oid, Oid>, change: impl FnOnce(&mut String)) -> Oid {
        let mut text = self.commit_text(commit);
        for (old, new) in parents {
            text = text.replace(&format!("parent {old}"), &format!("parent {new}"));
        }
        self.with_record(text, commit, parents, change)
    }

    /// A new commit on a record, with the content of another one.
    pub fn made(&self, parent: Oid, like: Oid, change: impl FnOnce(&mut String)) -> Oid {
        let text = self.commit_text(like);
        let (head, rest) = text.split_once("author ").unwrap();
        let tree = head.lines().next().unwrap();
        let text = format!("{tree}\nparent {parent}\nauthor {rest}");
        let base = self.record(like).base;
        let map: HashMap<Oid, Oid> = base.map(|b| (b, parent)).into_iter().collect();
        self.with_record(text, like, &map, change)
    }

    fn with_record(&self, text: String, like: Oid, map: &HashMap<Oid, Oid>, change: impl FnOnce(&mut String)) -> Oid {
        let (repo, tree) = (&self.f.store.repo, self.tree(like));
        let entry = repo.entry(tree, "record.json".into()).unwrap().unwrap();
        let mut record = String::from_utf8(repo.read_blob(entry.oid, 1 << 20).unwrap()).unwrap();
        for (old, new) in map {
            record = record.replace(&format!("\"base\": \"{old}\""), &format!("\"base\": \"{new}\""));
        }
        change(&mut record);
        let blob = repo.write_blob(record.as_bytes()).unwrap();
        let new = repo.write_tree(Some(tree), &[(BString::from("record.json"), Some((Mode::Plain, blob)))]).unwrap();
        self.forged(&text.replace(&tree.to_string(), &new.to_string()))
    }

    /// A record with another text, and all later ones on top of it.
    pub fn changed(&self, rng: &mut Rng, change: impl FnOnce(&mut String)) -> Oid {
        let at = self.order[self.linear(rng)];
        let other = self.rewritten(at, &HashMap::new(), change);
        self.rebuild(HashMap::from([(at, other)]), &[]);
        other
    }

    /// Writes every record anew whose parents were, but for `done`; the ref follows.
    pub fn rebuild(&self, mut map: HashMap<Oid, Oid>, done: &[Oid]) -> HashMap<Oid, Oid> {
        for commit in &self.order {
            let parents = self.f.store.repo.read_commit(*commit).unwrap().parents;
            if !map.contains_key(commit) && !done.contains(commit) && parents.iter().any(|p| map.contains_key(p)) {
                let new = self.rewritten(*commit, &map, |_| {});
                map.insert(*commit, new);
            }
        }
        let tip = self.tip();
        self.set_tip(map.get(&tip).copied().unwrap_or(tip));
        map
    }
}
