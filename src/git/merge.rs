//! Three-way merges, in memory: gix and git must agree.

use std::{collections::BTreeSet, ffi::OsStr};

use gix::{
    ObjectId,
    index::{State, entry},
    merge::{
        blob::{Pipeline, Platform, builtin_driver::text::Labels, pipeline, platform},
        plumbing::tree::TreatAsUnresolved,
    },
    objs::Kind,
    worktree::stack::state::attributes::Source,
};

use super::{BStr, BString, ByteSlice, Error, Merged, Output, Repo, Result, trees::join};
use crate::base::Oid;

/// What both engines take as settings, whatever a configuration says: a merge is a function of its commits.
const SETTINGS: [(&str, &str); 5] = [
    ("merge.renames", "true"),
    ("merge.renameLimit", "7000"),
    ("merge.directoryRenames", "conflict"),
    ("merge.renormalize", "false"),
    ("core.attributesFile", "/dev/null"),
];

impl Repo {
    /// Merges `theirs` into `ours`, in memory: nobody's checkout is looked at, attributes come from the tree of `ours`. gix
    /// merges, and `git merge-tree` must come to the same tree; a disagreement counts as a conflict. With more than one
    /// merge base git alone decides, since gix would silently take one side.
    pub fn merge(&self, ours: Oid, theirs: Oid) -> Result<Merged> {
        let repo = self.local();
        let (our_tree, their_tree) = (self.read_commit(ours)?.tree, self.read_commit(theirs)?.tree);
        if our_tree == their_tree {
            return Ok(Merged::Clean(our_tree));
        }
        let bases = self.merge_bases(ours, theirs)?;
        let base = match bases.as_slice() {
            [] => return Ok(Merged::Conflict(vec!["the two histories have no commit in common".into()])),
            [base] => Some(self.read_commit(*base)?.tree),
            _ => None,
        };
        // Where one side changed nothing, the other side is the answer, whatever the engine.
        match base {
            Some(base) if base == our_tree => return Ok(Merged::Clean(their_tree)),
            Some(base) if base == their_tree => return Ok(Merged::Clean(our_tree)),
            _ => {}
        }
        let by_gix = base.map(|base| self.merge_by_gix(base, our_tree, their_tree)).transpose()?;
        match (self.merge_by_git(ours, theirs)?, by_gix) {
            (Merged::Conflict(paths), _) => Ok(Merged::Conflict(paths)),
            (Merged::Clean(tree), None) => {
                self.remember_new(&repo, tree.0, &[our_tree.0, their_tree.0])?;
                Ok(Merged::Clean(tree))
            }
            (Merged::Clean(tree), Some(Merged::Clean(same))) if tree == same => Ok(Merged::Clean(tree)),
            (_, Some(Merged::Conflict(paths))) => Ok(Merged::Conflict(paths)),
            (Merged::Clean(a), Some(Merged::Clean(b))) => {
                let paths = self.diff_trees(a, b)?.into_iter().map(|c| c.path);
                Ok(Merged::Conflict(paths.map(|p| format!("{p} (git and gix merge it differently)").into()).collect()))
            }
        }
    }

    /// The commits that two histories have last in common.
    pub(super) fn merge_bases(&self, ours: Oid, theirs: Oid) -> Result<Vec<Oid>> {
        let repo = self.local();
        let bases = repo.merge_bases_many(ours.0, &[theirs.0]).map_err(Error::gix("find the merge base"))?;
        Ok(bases.into_iter().map(|id| Oid(id.detach())).collect())
    }

    /// What `git merge-tree` says, with flags of its own; conflicts in the tree that it writes look as `style` says.
    pub(super) fn merge_tree(&self, ours: Oid, theirs: Oid, style: &str, flags: &[&str]) -> Result<Output> {
        let attributes = format!("--attr-source={ours}");
        let (ours, theirs) = (ours.to_string(), theirs.to_string());
        let start = [attributes.as_str(), "merge-tree", "--write-tree", "-z"];
        let sides = ["--end-of-options", ours.as_str(), theirs.as_str()];
        let args: Vec<&OsStr> = start.iter().chain(flags).chain(&sides).map(OsStr::new).collect();
        let settings = SETTINGS.into_iter().chain([("merge.conflictStyle", style)]);
        let named: Vec<(String, &str)> = settings
            .enumerate()
            .flat_map(|(i, (key, value))| {
                [(format!("GIT_CONFIG_KEY_{i}"), key), (format!("GIT_CONFIG_VALUE_{i}"), value)]
            })
            .collect();
        let count = (SETTINGS.len() + 1).to_string();
        let fixed = [("GIT_CONFIG_COUNT", count.as_str()), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_ATTR_NOSYSTEM", "1")];
        let fixed = fixed.into_iter().chain([("GIT_CONFIG_GLOBAL", "/dev/null")]);
        let vars = fixed.chain(named.iter().map(|(k, v)| (k.as_str(), *v)));
        let vars: Vec<(&str, &OsStr)> = vars.map(|(k, v)| (k, OsStr::new(v))).collect();
        self.inner.git.run(&args, None, &vars)
    }

    fn merge_by_git(&self, ours: Oid, theirs: Oid) -> Result<Merged> {
        let out = self.merge_tree(ours, theirs, "merge", &["--name-only", "--no-messages"])?;
        let mut fields = out.stdout.split(|b| *b == 0).map(BString::from);
        let tree = fields.next().and_then(|id| id.to_str().ok()?.trim().parse::<Oid>().ok());
        match (out.code, tree) {
            (Some(0), Some(tree)) => Ok(Merged::Clean(tree)),
            (Some(1), Some(_)) => {
                let paths: BTreeSet<BString> = fields.filter(|path| !path.is_empty()).collect();
                Ok(Merged::Conflict(paths.into_iter().collect()))
            }
            _ => Err(out.failed()),
        }
    }

    fn merge_by_gix(&self, base: Oid, ours: Oid, theirs: Oid) -> Result<Merged> {
        let repo = self.local().with_object_memory();
        let attributes = self.attributes(&repo, base, ours, theirs)?;
        let stack = || -> Result<gix::worktree::Stack> {
            let stack = repo.attributes_only(&attributes, Source::IdMapping).map_err(Error::gix("read attributes"))?;
            Ok(stack.detach())
        };
        let mut diffs =
            gix::diff::resource_cache(&repo, gix::diff::blob::pipeline::Mode::ToGit, stack()?, Default::default())
                .map_err(Error::gix("prepare a merge"))?;
        let filter = gix::filter::plumbing::Pipeline::new(Default::default(), repo.object_hash(), Default::default());
        let blobs = Pipeline::new(Default::default(), filter, pipeline::Options { large_file_threshold_bytes: 0 });
        // No merge driver is run: what only a driver can merge, gix and git do not agree on.
        let options = platform::Options { default_driver: None };
        let mut blobs = Platform::new(blobs, pipeline::Mode::ToGit, stack()?, Vec::new(), options);
        let options = repo.tree_merge_options().map_err(Error::gix("prepare a merge"))?;
        let failed = Error::gix("merge two trees");
        let merged = gix::merge::plumbing::tree(
            &base.0,
            &ours.0,
            &theirs.0,
            Labels { ancestor: None, current: None, other: None },
            &repo,
            |bytes| gix::objs::Write::write_buf(&repo, Kind::Blob, bytes),
            &mut Default::default(),
            &mut diffs,
            &mut blobs,
            options.into(),
        );
        let mut merged = merged.map_err(failed)?;
        let how = TreatAsUnresolved::git();
        if merged.has_unresolved_conflicts(how) {
            let unresolved = merged.conflicts.iter().filter(|c| c.is_unresolved(how));
            let paths: BTreeSet<BString> = unresolved.map(|c| c.ours.location().to_owned()).collect();
            return Ok(Merged::Conflict(paths.into_iter().collect()));
        }
        let write = |tree: &gix::objs::Tree| gix::objs::Write::write(&repo, tree);
        let id = merged.tree.write(write).map_err(Error::gix("write the merged tree"))?;
        drop(merged);
        self.write_memory(repo)?;
        Ok(Merged::Clean(if id == ObjectId::empty_tree(id.kind()) { self.empty_tree()? } else { Oid(id) }))
    }

    /// An index of nothing but the `.gitattributes` of our tree that can bear on a path which either side touched.
    fn attributes(&self, repo: &gix::Repository, base: Oid, ours: Oid, theirs: Oid) -> Result<State> {
        let mut folders: BTreeSet<BString> = BTreeSet::new();
        for change in self.diff_trees(base, ours)?.into_iter().chain(self.diff_trees(base, theirs)?) {
            let path = change.path.as_bstr();
            let parents = path.find_iter("/").map(|at| path[..at].as_bstr().to_owned());
            folders.extend(parents.chain([BString::default()]));
        }
        let mut state = State::new(repo.object_hash());
        for folder in folders {
            let path = join(folder.as_bstr(), BStr::new(".gitattributes"));
            if let Some(file) = self.entry(ours, path.as_bstr())? {
                let (flags, mode) = (entry::Flags::empty(), entry::Mode::FILE);
                state.dangerously_push_entry(entry::Stat::default(), file.oid.0, flags, mode, path.as_bstr());
            }
        }
        state.sort_entries();
        Ok(state)
    }

    /// Remembers the objects of a tree that git wrote, but for those of trees that are known to be durable.
    fn remember_new(&self, repo: &gix::Repository, tree: ObjectId, known: &[ObjectId]) -> Result<()> {
        let mut seen = BTreeSet::new();
        for known in known {
            self.ids(repo, *known, 0, &mut BTreeSet::new(), &mut seen)?;
        }
        let mut new = BTreeSet::new();
        self.ids(repo, tree, 0, &mut seen, &mut new)?;
        new.into_iter().for_each(|id| self.remember(id));
        Ok(())
    }

    fn ids(
        &self,
        repo: &gix::Repository,
        tree: ObjectId,
        depth: usize,
        skip: &mut BTreeSet<ObjectId>,
        out: &mut BTreeSet<ObjectId>,
    ) -> Result<()> {
        super::trees::check_depth(depth, BStr::new(""))?;
        if skip.contains(&tree) || !out.insert(tree) {
            return Ok(());
        }
        for node in self.nodes(repo, tree)? {
            match node.mode {
                None => self.ids(repo, node.id, depth + 1, skip, out)?,
                Some(super::Mode::Submodule) => {}
                Some(_) if skip.contains(&node.id) => {}
                Some(_) => drop(out.insert(node.id)),
            }
        }
        Ok(())
    }
}
