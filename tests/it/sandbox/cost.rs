//! What a start costs at each level: measured and printed, never judged.

use std::time::Instant;

use git_otto::{
    base::procs::{self, Bounds, SystemProcs},
    sandbox::Level,
};

use super::{Place, levels, runtime};

#[test]
fn the_cost_of_a_start_is_told() {
    let p = Place::new();
    let spec = p.spec(&["true"]);
    let bounds = Bounds { wall: std::time::Duration::from_secs(60), idle: None, keep: 1024 };
    let runtime = runtime();
    let median = |level: Option<Level>| {
        let mut times: Vec<_> = (0..30)
            .map(|_| {
                let begun = Instant::now();
                let done = match level {
                    None => runtime.block_on(procs::run(&SystemProcs, &spec, bounds)),
                    Some(level) => runtime.block_on(procs::run(&p.confined(level), &spec, bounds)),
                };
                assert_eq!(done.unwrap().ended, procs::Ended::Exit(0));
                begun.elapsed()
            })
            .collect();
        times.sort();
        times[times.len() / 2]
    };
    eprintln!("a bare start: {:?}", median(None));
    for level in levels() {
        eprintln!("a start at {level}: {:?}", median(Some(level)));
    }
}
