//! The matrix: every scene in the main checkout and in a linked one, before and after gc, with something at risk, and once
//! in each other format.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use super::{
    scenes::{Copy, Place, SCENES, Scene, Stage, done},
    state::State,
};

/// What a person has done since git stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// Nothing.
    Nothing,
    /// A tracked file that nobody else touches is changed.
    Dirty,
    /// The same, staged, and changed once more.
    Staged,
    /// There is a file that git does not know.
    Untracked,
    /// There is one where a file comes back.
    InTheWay,
    /// A conflict is half resolved.
    Half,
    /// There is one that git is told to ignore, where a file comes.
    Ignored,
}

impl Risk {
    /// Those of somebody who goes back.
    pub const BACK: [Risk; 7] =
        [Risk::Nothing, Risk::Dirty, Risk::Staged, Risk::Untracked, Risk::InTheWay, Risk::Half, Risk::Ignored];

    /// Those of somebody who goes on.
    pub const ON: [Risk; 4] = [Risk::Nothing, Risk::Dirty, Risk::Untracked, Risk::Ignored];
}

/// One cell of the matrix.
#[derive(Clone, Copy)]
pub struct Wish {
    pub scene: &'static Scene,
    format: &'static str,
    place: Place,
    gc: bool,
    risk: Risk,
}

/// One cell, built.
pub struct Cell<'a> {
    pub scene: &'static Scene,
    stage: &'a Stage,
    /// Where otto ends it.
    pub ours: Copy,
    /// Where git does.
    pub theirs: Copy,
    risks: Vec<String>,
    name: String,
    base: String,
}

/// All cells.
pub fn cells(risks: &[Risk]) -> Vec<Wish> {
    let mut all = Vec::new();
    for scene in &SCENES {
        for place in [Place::Main, Place::Linked, Place::Bare] {
            for gc in [false, true] {
                all.extend(risks.iter().map(|risk| Wish { scene, format: "sha1", place, gc, risk: *risk }));
            }
        }
        let other = |format| Wish { scene, format, place: Place::Main, gc: false, risk: Risk::Nothing };
        all.extend(["sha256", "reftable"].map(other));
    }
    all
}

impl Wish {
    fn name(&self) -> String {
        let gc = if self.gc { "-gc" } else { "" };
        format!("{}-{}-{:?}{gc}-{:?}", self.scene.name, self.format, self.place, self.risk)
    }

    /// Where the scene of several cells is played, once.
    fn base(&self) -> String {
        format!("base-{}-{}-{:?}-{}", self.scene.name, self.format, self.place, self.gc)
    }
}

impl Cell<'_> {
    /// A copy in which nothing is at risk.
    pub fn calm(&self) -> Copy {
        self.stage.copy(&self.stage.found(&self.base, self.ours.place), &format!("{}-calm", self.name))
    }

    /// The files at risk, with what is in them.
    pub fn at_risk(&self, state: &State) -> Vec<(String, String)> {
        let content = |path: &String| Some((path.clone(), state.0.get(&format!("file {path}"))?.clone()));
        self.risks.iter().filter_map(content).collect()
    }

    /// The id of a content.
    pub fn blob(&self, content: &str) -> String {
        fs::write(self.ours.root.join("content"), content).unwrap();
        done(&mut self.stage.shell(&self.ours.work, "git hash-object --no-filters ../content"), "an id")
            .trim()
            .to_owned()
    }
}

/// What came of the cells.
#[derive(Default)]
pub struct Tally(Mutex<BTreeMap<&'static str, usize>>, OnceLock<Instant>);

impl Tally {
    /// One more.
    pub fn count(&self, what: &'static str) {
        *self.0.lock().unwrap().entry(what).or_default() += 1;
    }

    /// Says it all.
    pub fn tell(&self, what: &str) {
        let took = self.1.get().map(|begun| begun.elapsed().as_secs_f32()).unwrap_or_default();
        eprintln!("{what}: {:?} in {took:.1} s", self.0.lock().unwrap());
    }
}

/// A share of the cells that has every scene in it, and everything else in turn. `OTTO_TEST_CELLS` is how many are left out
/// for each that is looked at: 0 for all of them; or a part of the names of those that are wanted.
fn chosen(wishes: &[Wish]) -> Vec<Wish> {
    let said = std::env::var("OTTO_TEST_CELLS").unwrap_or_default();
    let all = wishes.iter().copied();
    match said.parse::<usize>() {
        Ok(left_out) => all.step_by(left_out + 1).collect(),
        Err(_) if said.is_empty() => {
            // No divisor of the cells of a scene: the others come in turn.
            let each = wishes.len() / SCENES.len().max(1);
            all.step_by(each.saturating_sub(3).max(1)).collect()
        }
        Err(_) => all.filter(|wish| wish.name().contains(&said)).collect(),
    }
}

/// Has every cell looked at, by as many threads as there are processors; all that went wrong is told at once.
/// `end` is how git ends it.
pub fn every(
    stage: &Stage,
    wishes: &[Wish],
    tally: &Tally,
    end: fn(&Scene) -> String,
    look: impl Fn(&Cell<'_>) -> Vec<String> + Sync,
) {
    tally.1.get_or_init(Instant::now);
    let wishes = chosen(wishes);
    // What cells have in common is built first: each scene once in each place.
    let mut bases: Vec<Wish> = Vec::new();
    for wish in &wishes {
        if bases.last().is_none_or(|last| last.base() != wish.base()) {
            bases.push(*wish);
        }
    }
    in_threads(&bases, |wish| {
        let copy = stage.play(wish.scene, wish.format, wish.place, &wish.base());
        if wish.gc {
            done(&mut stage.shell(&copy.work, "git gc -q --prune=now"), "gc");
        }
        Vec::new()
    });
    in_threads(&wishes, |wish| {
        let (name, base) = (wish.name(), stage.found(&wish.base(), wish.place));
        let ours = stage.copy(&base, &name);
        let Some(risks) = endanger(stage, wish, &ours, &end(wish.scene)) else {
            fs::remove_dir_all(&ours.root).unwrap();
            return Vec::new();
        };
        let theirs = stage.copy(&ours, &format!("{name}-theirs"));
        let cell = Cell { scene: wish.scene, stage, ours, theirs, risks, name: name.clone(), base: wish.base() };
        let wrong = look(&cell);
        // Disks are small.
        if wrong.is_empty() {
            for end in ["", "-theirs", "-calm"] {
                let _ = fs::remove_dir_all(stage.path(&format!("{name}{end}")));
            }
        }
        wrong.into_iter().map(|why| format!("{name}: {why}")).collect()
    });
}

/// Does what a person might have done; the paths at risk, none where the scene has no such place.
fn endanger(stage: &Stage, wish: &Wish, copy: &Copy, end: &str) -> Option<Vec<String>> {
    let append = |path: &str, text: &str| {
        let file = copy.work.join(path);
        let old = fs::read_to_string(&file).unwrap_or_default();
        fs::write(file, old + text).unwrap();
        path.to_owned()
    };
    match wish.risk {
        Risk::Nothing => Some(Vec::new()),
        Risk::Dirty => Some(vec![append("quiet.txt", "not so quiet\n")]),
        Risk::Staged => {
            append("quiet.txt", "staged\n");
            done(&mut stage.shell(&copy.work, "git add quiet.txt"), "staging");
            Some(vec![append("quiet.txt", "not so quiet\n")])
        }
        Risk::Untracked => Some(vec![append("scratch.txt", "mine\n"), append("own.ignored", "mine too\n")]),
        Risk::Half => {
            let said = done(&mut stage.shell(&copy.work, "git diff --name-only --diff-filter=U"), "conflicts");
            let path = said.lines().find(|path| copy.work.join(path).is_file())?;
            Some(vec![append(path, "half resolved\n")])
        }
        Risk::InTheWay | Risk::Ignored => {
            // A file that git's own way brings.
            let tried = stage.copy(copy, &format!("{}-tried", wish.name()));
            let back = stage.shell(&tried.work, end).output().unwrap();
            let names = ["gone.txt", "theirs.txt", "four.txt", "ours.txt", "b.txt", "dir/c.txt"];
            let found = names.into_iter().find(|name| {
                let stands = |copy: &Copy| copy.work.join(name).exists();
                let ends = back.status.success() || wish.risk == Risk::Ignored;
                ends && stands(&tried) && !stands(copy)
            });
            fs::remove_dir_all(&tried.root).unwrap();
            found.map(|name| {
                if wish.risk == Risk::Ignored {
                    fs::create_dir_all(copy.root.join("repo/.git/info")).unwrap();
                    fs::write(copy.root.join("repo/.git/info/exclude"), format!("/{name}\n")).unwrap();
                }
                fs::create_dir_all(copy.work.join(name).parent().unwrap()).unwrap();
                vec![append(name, "mine, in the way\n")]
            })
        }
    }
}

fn in_threads<T: Sync>(items: &[T], look: impl Fn(&T) -> Vec<String> + Sync) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = look(item);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} differences in {} cells:\n{}", wrong.len(), items.len(), wrong.join("\n"));
}
