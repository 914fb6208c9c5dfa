//! Files of a checkout as git would read and write them: line ends, encodings, `$Id$`. Programs that a configuration names
//! as filters are never run.

use std::{ffi::OsStr, io::Read as _, os::unix::ffi::OsStrExt as _, path::Path};

use gix::{
    AttributeStack, ObjectId,
    filter::{
        Pipeline,
        plumbing::pipeline::convert::{ToGitOutcome, ToWorktreeOutcome, to_worktree},
    },
    index::File as Index,
    objs::Kind,
    worktree::stack::state::attributes::Source,
};

use super::{BStr, ByteSlice as _, Error, Repo, Result};

/// What of the user's own configuration decides how files are written.
const SETTINGS: [&str; 4] = ["core.autocrlf", "core.eol", "core.safecrlf", "core.checkRoundtripEncoding"];

/// Converts between what git stores and what stands in a checkout.
pub(super) struct Convert<'a> {
    repo: &'a Repo,
    pipeline: Pipeline<'a>,
    attributes: AttributeStack<'a>,
    index: &'a Index,
}

impl Repo {
    /// gix's view of this repository, with those of the user's settings that decide how files are written.
    pub(super) fn local_as_user(&self) -> Result<gix::Repository> {
        let mut local = self.local();
        let mut settings = local.config_snapshot_mut();
        for key in SETTINGS {
            if let Some(value) = self.config(key) {
                settings.set_raw_value(key, value.as_str()).map_err(Error::gix("read the configuration"))?;
            }
        }
        settings.commit().map_err(Error::gix("read the configuration"))?;
        Ok(local)
    }
}

impl<'a> Convert<'a> {
    /// By the attributes that an index holds; where `files` is set, those of the checkout come first.
    pub(super) fn new(
        repo: &'a Repo,
        local: &'a gix::Repository,
        index: &'a Index,
        files: bool,
    ) -> Result<Convert<'a>> {
        let source = || if files { Source::WorktreeThenIdMapping } else { Source::IdMapping };
        let stack = || local.attributes_only(index, source()).map_err(Error::gix("read the attributes"));
        let pipeline = Pipeline::new(local, stack()?.detach()).map_err(Error::gix("read the attributes"))?;
        Ok(Convert { repo, pipeline, attributes: stack()?, index })
    }

    /// The program that would have to convert a file, by the name of its driver.
    pub(super) fn driver(&mut self, path: &BStr) -> Result<Option<String>> {
        let mut found = self.attributes.selected_attribute_matches(["filter"]);
        let at = self.attributes.at_entry(path, None).map_err(Error::gix("read the attributes"))?;
        at.matching_attributes(&mut found);
        let name = found.iter_selected().find_map(|m| m.assignment.state.as_bstr().map(|v| v.to_string()));
        let is_set = |name: &String| {
            let key = |what: &str| self.repo.config(&format!("filter.{name}.{what}")).is_some_and(|v| !v.is_empty());
            ["clean", "smudge", "process"].into_iter().any(key)
        };
        Ok(name.filter(is_set))
    }

    /// The id that a regular file's content would have as a blob.
    pub(super) fn id(&mut self, path: &BStr, bytes: &[u8]) -> Result<ObjectId> {
        let relative = Path::new(OsStr::from_bytes(path));
        let failed = Error::gix("convert a file of the checkout");
        let out = self.pipeline.convert_to_git(bytes, relative, self.index).map_err(failed)?;
        let converted = match out {
            ToGitOutcome::Unchanged(same) => same.to_vec(),
            ToGitOutcome::Buffer(buf) => buf.to_vec(),
            ToGitOutcome::Process(mut read) => {
                let mut all = Vec::new();
                read.read_to_end(&mut all).map_err(Error::io("convert", path.to_string()))?;
                all
            }
        };
        gix::objs::compute_hash(self.repo.hash_kind(), Kind::Blob, &converted).map_err(Error::gix("hash a file"))
    }

    /// What a blob is as a regular file of the checkout.
    pub(super) fn file(&mut self, path: &BStr, blob: &[u8]) -> Result<Vec<u8>> {
        let options = to_worktree::Options::default();
        let out = self.pipeline.convert_to_worktree(blob, path, options).map_err(Error::gix("convert a file"))?;
        match out {
            ToWorktreeOutcome::Unchanged(same) => Ok(same.to_vec()),
            ToWorktreeOutcome::Buffer(buf) => Ok(buf.to_vec()),
            // Paths that have a driver are refused before.
            ToWorktreeOutcome::Process(_) => {
                Err(Error::bad_path(path.as_bytes(), "a program would have to convert it"))
            }
        }
    }
}
