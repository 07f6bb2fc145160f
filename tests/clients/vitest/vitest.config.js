export default {
  test: { fileParallelism: false, testTimeout: 20_000, hookTimeout: 20_000, include: ["*.test.js"] },
};
