//! The order of slices: it exists, and who comes before whom.

use super::Pass;

/// Which slices come before which: one row of bits a slice.
pub(super) struct Before {
    words: usize,
    bits: Vec<u64>,
}

impl Before {
    /// Whether one of two slices depends on the other, at any distance.
    pub(super) fn related(&self, a: usize, b: usize) -> bool {
        let has =
            |row: usize, n: usize| self.bits.get(row * self.words + n / 64).is_some_and(|w| w >> (n % 64) & 1 == 1);
        has(a, b) || has(b, a)
    }
}

impl Pass<'_> {
    /// Dependencies as positions; what is unknown is left out.
    fn deps(&self) -> Vec<Vec<usize>> {
        let known = |id: &crate::base::SliceId| self.slices.get(id.as_str()).copied();
        self.spec.slices.iter().map(|s| s.deps.iter().filter_map(known).collect()).collect()
    }

    /// Tells every cycle that a walk in the order of the spec meets.
    pub(super) fn order(&mut self) {
        let deps = self.deps();
        for cycle in walk(&deps).1 {
            let Some(&first) = cycle.first() else { continue };
            let names: Vec<&str> =
                cycle.iter().chain([&first]).filter_map(|n| Some(self.spec.slices.get(*n)?.id.as_str())).collect();
            let text = match names.as_slice() {
                [name, _] => format!("`{name}` depends on itself"),
                names => format!("a cycle: {}", names.join(" → ")),
            };
            self.wrong(format!("/slices/{first}/deps"), text);
        }
    }

    /// None where there is a cycle: nobody comes before anybody then.
    pub(super) fn before(&self) -> Option<Before> {
        let deps = self.deps();
        let (order, cycles) = walk(&deps);
        if !cycles.is_empty() {
            return None;
        }
        let words = deps.len().div_ceil(64);
        let mut bits = vec![0_u64; words * deps.len()];
        for n in order {
            for d in deps.get(n)? {
                bits[n * words + d / 64] |= 1 << (d % 64);
                for w in 0..words {
                    let before = bits[d * words + w];
                    bits[n * words + w] |= before;
                }
            }
        }
        Some(Before { words, bits })
    }
}

/// Walks depth first without recursion: every slice after all that it depends on, and the cycles met.
fn walk(deps: &[Vec<usize>]) -> (Vec<usize>, Vec<Vec<usize>>) {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let (mut order, mut cycles) = (Vec::new(), Vec::new());
    let mut marks = vec![Mark::New; deps.len()];
    for start in 0..deps.len() {
        if marks[start] != Mark::New {
            continue;
        }
        let mut path = vec![(start, 0)];
        marks[start] = Mark::Open;
        while let Some((n, next)) = path.last_mut() {
            let n = *n;
            let Some(&d) = deps[n].get(*next) else {
                marks[n] = Mark::Done;
                order.push(n);
                path.pop();
                continue;
            };
            *next += 1;
            match marks[d] {
                Mark::New => {
                    marks[d] = Mark::Open;
                    path.push((d, 0));
                }
                Mark::Open if cycles.len() < 20 => {
                    cycles.push(path.iter().map(|(n, _)| *n).skip_while(|n| *n != d).collect());
                }
                Mark::Open | Mark::Done => {}
            }
        }
    }
    (order, cycles)
}
