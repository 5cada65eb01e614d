//! From what the store holds to a full set of keys: imports what was put into the folder, makes what is missing.

use std::sync::Arc;

use symbolon_core::audit::Act;
use symbolon_core::keys::{KeyAuthority, KeyChange, KeyChangeOutcome, KeyMove, SigningKeyRecord};
use symbolon_core::ports::KeyStore;
use symbolon_core::{Clock, Rng};
use symbolon_jose::SigningAlg;

use crate::board::{Board, Readiness};
use crate::error::{ImportProblem, KeyringError};
use crate::import::{self, ImportedKey};
use crate::keyring::KeyringConfig;
use crate::listing::MAX_LISTED;
use crate::maker::{Beginning, KeyMaker, SharedEncryptionKeys};
use crate::plan::spell;
use crate::snapshot::{Opening, Snapshot};

/// How often other nodes may be first before this one gives up.
const ATTEMPTS: usize = 8;

/// What provisioning works with.
pub(crate) struct Provision<'a> {
    store: &'a dyn KeyStore,
    config: &'a KeyringConfig,
    maker: KeyMaker,
    clock: &'a dyn Clock,
}

impl<'a> Provision<'a> {
    pub(crate) fn new(
        store: &'a dyn KeyStore,
        config: &'a KeyringConfig,
        encryption_keys: SharedEncryptionKeys,
        clock: &'a dyn Clock,
        rng: Arc<dyn Rng>,
    ) -> Self {
        Self {
            store,
            config,
            maker: KeyMaker { encryption_keys, rng },
            clock,
        }
    }

    /// Opens, imports and makes keys. Every file is read and every key opened before the first is added.
    pub(crate) async fn run(&self) -> Result<Snapshot, KeyringError> {
        let imports = match &self.config.import_dir {
            Some(dir) => import::read(dir, &self.config.rotation.algorithms)?,
            None => Vec::new(),
        };
        for _ in 0..ATTEMPTS {
            let board = self.board().await?;
            let snapshot = self.open(&board.records)?;
            let Some(change) = self.change(&board, &imports).await? else {
                self.default_signs(&board, &snapshot)?;
                return Ok(snapshot);
            };
            let outcome = self.store.change_keys(&change).await?;
            if outcome == KeyChangeOutcome::Done {
                change.add.iter().for_each(log);
            } else {
                tracing::info!("another node was first to change signing keys; reading them");
            }
        }
        Err(KeyringError::Contended)
    }

    async fn board(&self) -> Result<Board, KeyringError> {
        Ok(Board::read(self.store, self.clock.now(), &self.config.rotation).await?)
    }

    fn open(&self, records: &[SigningKeyRecord]) -> Result<Snapshot, KeyringError> {
        Snapshot::open_all(
            records,
            &Opening {
                keys: &self.maker.encryption_keys.load(),
                algorithms: &self.config.rotation.algorithms,
                known: None,
            },
        )
    }

    /// What is to be changed, in one step; nothing where all is there.
    async fn change(
        &self,
        board: &Board,
        imports: &[ImportedKey],
    ) -> Result<Option<KeyChange>, KeyringError> {
        let history = self.store.key_history(MAX_LISTED).await?;
        // Verifiers have a key set once there was a key. What comes later is published before it signs.
        let empty = history.is_empty();
        let (mut moves, mut add) = (Vec::new(), Vec::new());
        for import in imports {
            if let Some(known) = history.iter().find(|record| record.kid == *import.key.kid()) {
                warn_if_gone(known);
                continue;
            }
            let alg = import.key.alg();
            let beginning = if empty && !holds(&add, alg, Beginning::Active) {
                Beginning::Active
            } else {
                self.make_room(board, imports, &add, (import, &mut moves))?;
                Beginning::Pending
            };
            add.push(self.maker.record(&import.key, beginning, board)?);
        }
        let algorithms = self.config.rotation.algorithms.iter().copied();
        let missing: Vec<_> = algorithms
            .flat_map(|alg| {
                let active =
                    (empty && !holds(&add, alg, Beginning::Active)).then_some((alg, Beginning::Active));
                let has_pending = board.pending(alg).is_some() || holds(&add, alg, Beginning::Pending);
                let pending = (!has_pending).then_some((alg, Beginning::Pending));
                active.into_iter().chain(pending)
            })
            .collect();
        if add.is_empty() && missing.is_empty() {
            return Ok(None);
        }
        let reason = match (add.is_empty(), empty) {
            (false, _) => "import folder",
            (true, true) => "first start",
            (true, false) => "start without a pending key",
        };
        self.maker.check(board)?;
        add.extend(self.maker.generate(&missing, board).await?);
        Ok(Some(KeyChange {
            authority: KeyAuthority::Operator,
            at: board.entering,
            moves,
            add,
            entries: Vec::new(),
            act: Act::server(reason),
        }))
    }

    /// A pending key that no file of the folder holds makes room for one that comes from a file: it never signed.
    fn make_room(
        &self,
        board: &Board,
        imports: &[ImportedKey],
        add: &[SigningKeyRecord],
        (import, moves): (&ImportedKey, &mut Vec<KeyMove>),
    ) -> Result<(), KeyringError> {
        let alg = import.key.alg();
        let from_file = |record: &SigningKeyRecord| imports.iter().any(|file| *file.key.kid() == record.kid);
        let pending = board.pending(alg);
        if holds(add, alg, Beginning::Pending) || pending.is_some_and(from_file) {
            return Err(KeyringError::Import {
                file: import.file.clone(),
                problem: ImportProblem::SecondPending(alg),
            });
        }
        let Some(pending) = pending else {
            return Ok(());
        };
        if let Ok(to) = pending.state.finish(board.now) {
            moves.push(KeyMove {
                kid: pending.kid.clone(),
                from: pending.state,
                to,
            });
        }
        Ok(())
    }

    /// Refuses to start where every token that names no algorithm would fail.
    fn default_signs(&self, board: &Board, snapshot: &Snapshot) -> Result<(), KeyringError> {
        let alg = self.config.default_algorithm;
        if snapshot.active(alg).is_some() {
            return Ok(());
        }
        let active = board.records.iter().filter(|record| record.state.is_active());
        let signing: Vec<_> = active.map(|record| record.alg.to_string()).collect();
        let when = match board
            .pending(alg)
            .map(|key| board.readiness(key, &self.config.rotation))
        {
            Some(Readiness::At(at)) if at <= board.elapsed => {
                "it signs once a running node has activated it".to_owned()
            }
            Some(Readiness::At(at)) => format!("it may in {}", spell(at.since(board.elapsed))),
            Some(Readiness::Withheld { by }) => format!("node {by} does not publish it"),
            None => "it was just made".to_owned(),
        };
        Err(KeyringError::DefaultNotReady {
            alg,
            when,
            instead: signing.join(" or "),
        })
    }
}

fn holds(records: &[SigningKeyRecord], alg: SigningAlg, beginning: Beginning) -> bool {
    let so = |record: &SigningKeyRecord| match beginning {
        Beginning::Active => record.state.is_active(),
        Beginning::Pending => record.state.is_pending(),
    };
    records.iter().any(|record| record.alg == alg && so(record))
}

fn warn_if_gone(known: &SigningKeyRecord) {
    if !known.state.is_published() {
        tracing::warn!(
            kid = %known.kid, alg = %known.alg, state = known.state.as_str(),
            "a key in keys.import_dir is not used again; remove its file"
        );
    }
}

fn log(record: &SigningKeyRecord) {
    tracing::info!(
        kid = %record.kid, alg = %record.alg, state = record.state.as_str(),
        "signing key made or imported"
    );
}
