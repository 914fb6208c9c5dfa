//! `refs/otto/*`: the only spelling of ref names, records, transactions.
