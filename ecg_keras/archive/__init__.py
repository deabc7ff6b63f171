"""Archives of pages on Apache Beam; needs `pip install 'ecg_keras[beam]'`."""
