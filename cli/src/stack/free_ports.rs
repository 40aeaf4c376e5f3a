//! Blocks of ports for stacks that run side by side. A block is claimed by
//! listening on its last port for as long as the stack lives, so that two
//! stacks never share one, whichever process they are in.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context as _;

use super::ports::is_free;

/// Ports of a block; the last is the claim.
const BLOCK: u16 = 20;
/// Below the range from which Linux takes the ports of outgoing connections.
const FIRST: u16 = 20_000;
/// Blocks in all: up to port 32,000.
const BLOCKS: u16 = 600;

/// A claimed block of free ports.
#[derive(Debug)]
pub(crate) struct FreeBlock {
    first: u16,
    _claim: TcpListener,
}

impl FreeBlock {
    /// Claims a block, starting the search at a place that differs from
    /// process to process.
    pub(crate) fn claim() -> anyhow::Result<Self> {
        let from = u16::try_from(std::process::id() % u32::from(BLOCKS))?;
        (0..BLOCKS)
            .map(|step| FIRST + (from + step) % BLOCKS * BLOCK)
            .find_map(|first| {
                let claim = TcpListener::bind((Ipv4Addr::LOCALHOST, first + BLOCK - 1)).ok()?;
                (first..first + BLOCK - 1).all(is_free).then_some(Self {
                    first,
                    _claim: claim,
                })
            })
            .context("no free block of ports between 20000 and 32000")
    }

    pub(crate) const fn first(&self) -> u16 {
        self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_stacks_never_get_the_same_ports() {
        let one = FreeBlock::claim().unwrap();
        let other = FreeBlock::claim().unwrap();
        assert_ne!(one.first(), other.first());
    }
}
