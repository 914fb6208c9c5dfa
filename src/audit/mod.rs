//! The audit of the integrated product.
