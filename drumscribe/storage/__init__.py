"""Where results are kept: files by job, the cache of stage results on disk, and the one that machines share."""
