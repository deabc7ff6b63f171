"""Files of people: pictures, multi-page TIFFs and PDFs, as pages."""
