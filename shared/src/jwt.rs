//! JSON Web Tokens: from text to claims, or the one reason why not.
