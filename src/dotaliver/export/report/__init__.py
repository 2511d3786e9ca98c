"""The report of one study: tables, figures, pictures, HTML, PDF and terminal."""
